package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

test_pipelines_of_production_deploy if {
	spacelift.allow with input as by("ci-cd-orders-production")
	spacelift.roles.production.deployer with input as by("ci-cd-orders-production")
}

test_pipelines_of_other_environments_do_not if {
	not spacelift.allow with input as by("ci-cd-orders-staging")
}

test_keys_of_developers_write_in_development if {
	roles := spacelift.roles with input as by("dev-ada")
	{[space, role] | some space, role; roles[space][role]} == {["development", "space-writer"]}
}

test_monitors_observe if {
	spacelift.roles.production.observer with input as by("mon-frankfurt-01")
}

test_a_pattern_holds_for_the_whole_name if {
	not spacelift.allow with input as by("x-mon-frankfurt-01")
	not spacelift.allow with input as by("mon-frankfurt-012")
	not spacelift.allow with input as by("x-dev-ada")
}
