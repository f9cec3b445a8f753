// Every page that there is, by what it is called in the table and where it is.

/// Before anybody has signed in.
export const OPEN = [
  { name: "API reference", path: "/api", framed: false },
  { name: "sign in", path: "/sign-in" },
  { name: "try a key", path: "/try" },
];

/// Behind it; `with` is what `furnished` has made.
export function behind({ keys, space, role, group, policy }) {
  const ci = keys.ci.id;
  return [
    { name: "overview", path: "/" },
    { name: "keys", path: "/keys" },
    { name: "keys, found", path: "/keys?q=ci" },
    { name: "new key", path: "/keys/new" },
    { name: "key", path: `/keys/${ci}` },
    { name: "key: roles", path: `/keys/${ci}/roles` },
    { name: "key: groups", path: `/keys/${ci}/groups` },
    { name: "key: secrets", path: `/keys/${ci}/secrets` },
    { name: "key: policies", path: `/keys/${ci}/policies` },
    { name: "key: audit", path: `/keys/${ci}/audit` },
    { name: "key: edit", path: `/keys/${ci}/edit` },
    { name: "key: revoke", path: `/keys/${ci}/revoke` },
    { name: "key, revoked", path: `/keys/${keys.gone.id}` },
    { name: "spaces", path: "/spaces" },
    { name: "new space", path: `/spaces/new?parent=${space}` },
    { name: "space", path: `/spaces/${space}` },
    { name: "space: edit", path: `/spaces/${space}/edit` },
    { name: "space: delete", path: "/spaces/other/delete" },
    { name: "roles", path: "/roles" },
    { name: "new role", path: "/roles/new" },
    { name: "role", path: `/roles/${role}` },
    { name: "role of the system", path: "/roles/space-admin" },
    { name: "role: edit", path: `/roles/${role}/edit` },
    { name: "role: delete", path: "/roles/spare/delete" },
    { name: "groups", path: "/groups" },
    { name: "new group", path: "/groups/new" },
    { name: "group", path: `/groups/of?name=${group}` },
    { name: "group: edit", path: `/groups/edit?name=${group}` },
    { name: "group: delete", path: `/groups/delete?name=${group}` },
    { name: "policies", path: "/policies" },
    { name: "new policy", path: "/policies/new" },
    { name: "policy", path: `/policies/of?name=${policy}` },
    { name: "policy: delete", path: `/policies/delete?name=${policy}` },
    { name: "policy: versions", path: `/policies/versions?name=${policy}` },
    { name: "samples", path: "/policies/samples" },
    { name: "sample", path: "/policies/samples/show?id=1" },
    { name: "samples: clear", path: "/policies/samples/clear" },
    { name: "strategy", path: "/strategy" },
    { name: "strategy: set", path: "/strategy/set?strategy=user-management" },
    { name: "audit", path: "/audit" },
    { name: "audit: entry", path: "/audit/3" },
    { name: "in force", path: "/in-force?revision=1" },
    { name: "signing keys", path: "/signing-keys" },
    { name: "replicas", path: "/replicas" },
    { name: "settings", path: "/settings" },
    { name: "search", path: "/search?q=ci" },
    { name: "docs", path: "/docs" },
    { name: "docs: policies", path: "/docs/policies" },
    { name: "docs: audit", path: "/docs/audit" },
  ];
}
