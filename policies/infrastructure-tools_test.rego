package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

pairs(roles) := {[space, role] | some space, role; roles[space][role]}

test_terraform_writes_outside_of_production if {
	spacelift.allow with input as by("terraform")
	roles := spacelift.roles with input as by("terraform")
	pairs(roles) == {["development", "space-writer"], ["staging", "space-writer"]}
}

test_planning_reads_everywhere if {
	roles := spacelift.roles with input as by("terraform-plan")
	pairs(roles) == {["development", "space-reader"], ["staging", "space-reader"], ["production", "space-reader"]}
}

test_every_tool_has_a_role_somewhere if {
	every login in {"terraform", "terraform-plan", "ansible", "prometheus"} {
		roles := spacelift.roles with input as by(login)
		count(pairs(roles)) > 0
	}
}

test_unknown_tools_are_not_allowed if not spacelift.allow with input as by("chef")
