//! A line for each command that does something useful as it stands here, for the manual.

/// What it does, and the line. A command's page shows those that begin with it.
pub(super) const EXAMPLES: [(&str, &str); 90] = [
    ("Try it out: everything in one process, with example keys and policies.", "claviger dev"),
    ("The same beside something that holds its ports.", "claviger dev --set proxy.listen=127.0.0.1:9000 --set ops.listen=127.0.0.1:9001"),
    ("Run the proxy.", "claviger serve --config /etc/claviger/claviger.toml"),
    ("Run it on another port than the configuration says.", "claviger serve --config claviger.toml --set proxy.listen=0.0.0.0:8443"),
    ("Check configuration, policies and signing keys before they are deployed.", "claviger check --config claviger.toml --strict"),
    ("Make the text of a key for a secret store, to be imported elsewhere.", "claviger key generate"),
    (
        "Make a key that lasts for three months and may deploy to production.",
        "claviger key create --name ci --group platform --expires 90d --bind deployer@production",
    ),
    ("Keep the text of a new key in a file.", "claviger key create --name backup --quiet > backup.key"),
    (
        "Take over a key of another system by its digest.",
        "claviger key import --name legacy --sha256 679fcf1995ebfcd00fe0ee18b93a6795cebcf3d41271ccba654e7f4bad907371",
    ),
    ("Every key that works, or was switched off.", "claviger key list"),
    ("Keys that nobody has used for three months.", "claviger key list --unused 90d"),
    ("Keys that end within two weeks.", "claviger key list --expiring 14d"),
    ("One key with its bindings, secrets and last use.", "claviger key show ci"),
    ("Put a key into a group, and let it last longer.", "claviger key update ci --add-group on-call --expires 30d"),
    ("Give a key a new secret; the old one works for another hour.", "claviger key rotate ci --grace 1h"),
    ("Switch a key off, in force within a second.", "claviger key disable ci"),
    ("Switch it on again.", "claviger key enable ci"),
    ("Take a key back for good, without being asked.", "claviger key revoke ci --yes"),
    ("Make a space below another one.", "claviger space create eu --parent production --label critical"),
    ("The tree of spaces.", "claviger space list"),
    ("One space.", "claviger space show eu"),
    ("See who would gain or lose something if a space moved.", "claviger space update eu --parent staging --dry-run"),
    ("Delete a space.", "claviger space delete eu"),
    ("Make a role of two actions.", "claviger role create deployer --action run:trigger --action run:read"),
    ("Every role.", "claviger role list"),
    ("One role.", "claviger role show deployer"),
    ("See who holds a role before it allows something else.", "claviger role update deployer --action run:* --dry-run"),
    ("Delete a role.", "claviger role delete deployer"),
    ("Describe a group.", "claviger group create platform --description Platform"),
    ("Every group with what it holds.", "claviger group list"),
    ("One group.", "claviger group show platform"),
    ("Describe it otherwise.", "claviger group update platform --description Operations"),
    ("Delete a group.", "claviger group delete platform"),
    ("Let a group deploy to production and all below it.", "claviger binding create --group platform --role deployer --space production"),
    ("See whom that would touch.", "claviger binding create --group platform --role deployer --space production --dry-run"),
    ("What a key holds itself.", "claviger binding list --key ci"),
    ("One binding.", "claviger binding show 01hv0000000000000000000000"),
    ("Unbind by what the binding says.", "claviger binding delete --key ci --role deployer --space production"),
    ("Put a policy into force, and be told first what it changes.", "claviger policy create office-hours --file office-hours.rego"),
    ("See what it would change.", "claviger policy create office-hours --file office-hours.rego --dry-run --verbose"),
    ("Every policy.", "claviger policy list"),
    ("One policy with its text.", "claviger policy show office-hours"),
    ("Replace its text.", "claviger policy update office-hours --file office-hours.rego"),
    ("Take it out of force.", "claviger policy delete office-hours"),
    (
        "What a policy in a file would say of a key from an address.",
        "claviger policy simulate --file office-hours.rego --key ci --ip 203.0.113.9",
    ),
    ("What policies say of inputs as they are written down.", "claviger policy eval --file office-hours.rego --input inputs.json"),
    ("Requests that policies wanted kept.", "claviger policy sample list"),
    ("One of them.", "claviger policy sample show 7"),
    ("Give them up.", "claviger policy sample clear"),
    ("Run the tests of the policies in a directory.", "claviger policy test policies --coverage-min 90"),
    ("Which strategy is in force.", "claviger strategy show"),
    ("See what another one would change.", "claviger strategy set login-policies --dry-run"),
    ("See what files would change; ends with 2 if something would.", "claviger apply -f access/ --dry-run"),
    ("Bring the store to what they say, and take away what they no longer say.", "claviger apply -f access/ --prune --yes"),
    ("Check a file against the schema while writing it.", "claviger apply --schema > access.schema.json"),
    ("Write down who has access.", "claviger export > access.yaml"),
    ("Take it over into another store.", "claviger export | claviger apply -f - --store sqlite://other.db"),
    ("Which route a request is for, and whether a key may.", "claviger route test POST /v1/spaces/production/runs --key ci"),
    ("Why a key gets what it gets, from an address.", "claviger explain --key ci --ip 203.0.113.9"),
    ("What was changed during the last day.", "claviger audit --since 24h"),
    ("Go on telling what is changed.", "claviger audit --follow"),
    ("All of it, for another program.", "claviger audit export audit.jsonl"),
    ("Whether somebody has changed it, or the store beside it.", "claviger audit verify"),
    ("Who serves, and what is in force where.", "claviger replicas"),
    ("Those that have not applied the last change.", "claviger replicas -o json | jq '.[] | select(.lag_revisions > 0)'"),
    ("Copy the store while everybody goes on with it.", "claviger backup /backup/claviger.db"),
    ("Make the store what the copy is.", "claviger restore /backup/claviger.db"),
    (
        "Copy a whole store into PostgreSQL.",
        "claviger store copy sqlite:///var/lib/claviger/claviger.db 'postgres://claviger@db.example/claviger?password_file=/run/secrets/db'",
    ),
    ("Bring the store to the schema of this version, ahead of the next start.", "claviger migrate"),
    ("What is wrong with an installation, or will be soon.", "claviger doctor --config /etc/claviger/claviger.toml"),
    (
        "Put the sidecar into a manifest, for an API that listens on 127.0.0.1:8000.",
        "claviger inject -f deployment.yaml --upstream http://127.0.0.1:8000 --set token.audience=orders | kubectl apply -f -",
    ),
    ("Look into a token.", "claviger token decode --file token.jwt"),
    (
        "Verify it as an API does.",
        "claviger token verify --jwks jwks.json --issuer https://auth.example.com --audience orders-api --file token.jwt",
    ),
    ("Every signing key and where it stands.", "claviger token keys list --config claviger.toml"),
    ("Make the next one.", "claviger token keys publish --config claviger.toml"),
    ("Let it sign.", "claviger token keys activate KID --config claviger.toml"),
    ("Delete the old one.", "claviger token keys retire KID --config claviger.toml"),
    ("Ask the process on this machine whether it is ready.", "claviger healthcheck --url http://127.0.0.1:9464"),
    ("Have the process on this machine end without a failed request, as a preStop hook.", "claviger drain"),
    ("Let bash complete commands, and the names of keys, spaces and roles.", "claviger completion bash > /etc/bash_completion.d/claviger"),
    ("Read the manual.", "claviger man | man -l -"),
    ("Install the manual.", "claviger man --dir /usr/local/share/man/man1"),
    ("Which version this is.", "claviger version -o json"),
    ("Keep a server and the key that it is asked with, for the commands that come after.", "claviger login --server http://127.0.0.1:8081"),
    ("See who that is, and what they may manage.", "claviger whoami"),
    ("Forget it again.", "claviger logout"),
    (
        "Make a key for each name of a list, and keep their texts.",
        "claviger key bulk create --from names.txt --group ci --expires 90d > keys.txt",
    ),
    ("Switch every key of a list off, all of them or none.", "claviger key bulk disable --from names.txt"),
    ("Switch them on again.", "claviger key bulk enable --from names.txt"),
    ("Revoke every key of a list.", "claviger key bulk revoke --from names.txt --yes"),
];

/// Those of the command that is called so; of the program itself, the first of each of its commands.
pub(super) fn of(command: &str) -> Vec<(&'static str, &'static str)> {
    if command == "claviger" {
        let noun = |line: &'static str| line.split(' ').nth(1);
        let mut seen = Vec::new();
        return EXAMPLES
            .into_iter()
            .filter(|(_, line)| {
                let is_first = !seen.contains(&noun(line));
                seen.push(noun(line));
                is_first
            })
            .collect();
    }
    let begins = |line: &str| line.strip_prefix(command).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    EXAMPLES.into_iter().filter(|(_, line)| begins(line)).collect()
}
