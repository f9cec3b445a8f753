# Roles by group.
#
# Groups are what the identity provider asserts; they are matched exactly, case and blanks included. Bindings of groups do the plain cases
# without a policy; a policy is for what they cannot say: two groups at once, or one and not another.
#
# Expects: spaces development, staging, production; roles deployer, operator, space-reader, space-writer.
package spacelift

member(group) if group in input.session.teams

roles["development"]["space-writer"] if member("developers")

roles["staging"]["deployer"] if member("developers")

roles["production"]["operator"] if {
	member("platform")
	member("on-call")
}

roles["production"]["space-reader"] if member("platform")

# Not `count(roles) > 0`: the spaces named in heads are in `roles` even where nobody has a role in them.
allow if roles[_][_]

# Contractors come with the developers' group, and are kept out of it here rather than by trusting that nobody adds them to others.
deny if {
	member("contractors")
	member("platform")
}
