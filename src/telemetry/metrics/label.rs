//! Labels are types: one enum for each, whose values are all that the label can say.
//!
//! What is counted is named by a value of such an enum. One that is not listed does not compile, and so nothing is ever counted as
//! something else for want of a place.

use prometheus::proto::LabelPair;

use super::exposition::pair;

/// What tells one member of a family from the others.
pub(super) type Labels = Vec<LabelPair>;

/// The values of one label.
pub(super) trait Label: Copy + 'static {
    const NAME: &'static str;
    /// In the order of their places.
    const ALL: &'static [Self];

    fn value(self) -> &'static str;

    /// Where it stands in [`ALL`](Self::ALL).
    fn place(self) -> usize;
}

/// What tells the members of a family apart: a label, several of them, or none.
pub(super) trait Member: Copy {
    /// The labels of every member, in the order of their places.
    fn all() -> Vec<Labels>;

    fn place(self) -> usize;
}

impl Member for () {
    fn all() -> Vec<Labels> {
        vec![Labels::new()]
    }

    fn place(self) -> usize {
        0
    }
}

impl<A: Label> Member for (A,) {
    fn all() -> Vec<Labels> {
        A::ALL.iter().map(|value| vec![pair(A::NAME, value.value())]).collect()
    }

    fn place(self) -> usize {
        self.0.place()
    }
}

impl<A: Label, B: Label> Member for (A, B) {
    fn all() -> Vec<Labels> {
        let (first, second) = (<(A,)>::all(), <(B,)>::all());
        first.iter().flat_map(|first| second.iter().map(move |second| [first.as_slice(), second].concat())).collect()
    }

    fn place(self) -> usize {
        self.0.place() * B::ALL.len() + self.1.place()
    }
}

/// An enum that is a label: the label's name, and what each value is called in it.
macro_rules! label {
    ($(#[$about:meta])* $vis:vis enum $Label:ident: $name:literal { $($(#[$says:meta])* $Value:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $Label {
            $($(#[$says])* $Value,)+
        }

        impl $crate::telemetry::metrics::label::Label for $Label {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$Value,)+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$Value => $text,)+
                }
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}

pub(super) use label;

#[cfg(test)]
mod tests {
    use super::*;

    label! {
        enum Colour: "colour" {
            Red = "red",
            Blue = "blue",
        }
    }

    label! {
        enum Size: "size" {
            Small = "small",
            Large = "large",
            Middling = "middling",
        }
    }

    #[test]
    fn every_member_stands_at_its_place() {
        let all = <(Colour, Size)>::all();
        assert_eq!(all.len(), 6);
        for colour in [Colour::Red, Colour::Blue] {
            for size in [Size::Small, Size::Large, Size::Middling] {
                assert_eq!(all[(colour, size).place()], [pair("colour", colour.value()), pair("size", size.value())]);
            }
        }
        assert_eq!(<()>::all(), [[]]);
    }
}
