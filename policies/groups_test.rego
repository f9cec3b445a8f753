package spacelift_test

import data.spacelift

of(teams) := {"session": {"login": "someone", "teams": teams}}

pairs(roles) := {[space, role] | some space, role; roles[space][role]}

test_developers_write_and_deploy_below_production if {
	roles := spacelift.roles with input as of(["developers"])
	pairs(roles) == {["development", "space-writer"], ["staging", "deployer"]}
	spacelift.allow with input as of(["developers"])
}

test_operating_production_takes_two_groups if {
	spacelift.roles.production.operator with input as of(["on-call", "platform"])
	not spacelift.roles.production.operator with input as of(["platform"])
	not spacelift.roles.production.operator with input as of(["on-call"])
}

test_the_platform_group_sees_production if {
	roles := spacelift.roles with input as of(["platform"])
	pairs(roles) == {["production", "space-reader"]}
}

test_groups_are_matched_exactly if {
	not spacelift.allow with input as of(["Developers"])
	not spacelift.allow with input as of(["developers "])
}

test_a_contractor_in_the_platform_group_is_denied if {
	spacelift.deny with input as of(["contractors", "platform"])
	not spacelift.deny with input as of(["contractors", "developers"])
}

test_a_key_without_groups_gets_nothing if {
	not spacelift.allow with input as of([])
}
