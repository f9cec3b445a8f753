package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

test_a_named_key_deploys if {
	spacelift.allow with input as by("ci-cd-production")
	spacelift.roles.production.deployer with input as by("ci-cd-production")
}

test_a_named_key_observes_and_no_more if {
	roles := spacelift.roles with input as by("grafana")
	roles.production == {"observer": true}
}

test_other_keys_get_nothing if {
	not spacelift.allow with input as by("ci-cd-production-2")
	not spacelift.roles.production.deployer with input as by("ci-cd-production-2")
}

test_case_counts if not spacelift.allow with input as by("Grafana")
