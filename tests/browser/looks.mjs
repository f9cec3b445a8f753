// How every flow is looked at.

export const LOOKS = {
  light: { colorScheme: "light" },
  dark: { colorScheme: "dark" },
  "360 px": { colorScheme: "light", narrow: true },
};
