# Keys of infrastructure tools.
#
# A table of tools, each with the least that it needs. The table is data, the rules below never change: a new tool is a new line, and a review
# sees at a glance what it may do.
#
# Expects: spaces development, staging, production; roles space-writer, operator, observer, space-reader.
package spacelift

everywhere := {"development", "staging", "production"}

tools := {
	# Plans and applies: writes, but not in production, where a pipeline applies what was reviewed.
	"terraform": {"roles": {"space-writer"}, "spaces": {"development", "staging"}},
	"terraform-plan": {"roles": {"space-reader"}, "spaces": everywhere},
	# Restarts and reconfigures machines.
	"ansible": {"roles": {"operator"}, "spaces": everywhere},
	"prometheus": {"roles": {"observer"}, "spaces": everywhere},
}

tool := tools[input.session.login]

roles[space][role] if {
	some space in tool.spaces
	some role in tool.roles
}

allow if tool
