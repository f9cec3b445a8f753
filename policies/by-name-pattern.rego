# Roles by the pattern of a key's name.
#
# Good where keys are made by a program that names them by a rule: a new key has its roles at once, and nobody edits a policy. It is only as
# safe as the rule is kept: whoever may name keys hands out these roles.
#
# Expects: spaces development, production; roles deployer, observer, space-writer.
package spacelift

roles["production"]["deployer"] if deploys_production

roles["development"]["space-writer"] if glob.match("dev-*", [], input.session.login)

# `regex.match` finds a pattern anywhere in the text unless it is tied to both ends.
roles["production"]["observer"] if regex.match(`^mon-[a-z]+-[0-9]{2}$`, input.session.login)

# Not `count(roles) > 0`: the spaces named in heads are in `roles` even where nobody has a role in them.
allow if roles[_][_]

deploys_production if {
	startswith(input.session.login, "ci-cd-")
	endswith(input.session.login, "-production")
}
