package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

test_each_key_deploys_to_its_own_environment_only if {
	every login, space in {"deploy-dev-2": "development", "deploy-staging": "staging", "deploy-prod-blue": "production"} {
		spacelift.allow with input as by(login)
		roles := spacelift.roles with input as by(login)
		{found | some found, held in roles; count(held) > 0} == {space}
		roles[space] == {"deployer": true}
	}
}

test_other_keys_are_not_allowed_and_not_denied if {
	not spacelift.allow with input as by("someone")
	not spacelift.deny with input as by("someone")
}

test_a_key_in_two_sets_is_denied if {
	both := {"development": {"shared"}, "production": {"shared"}}
	spacelift.deny with input as by("shared") with data.spacelift.keys as both
	not spacelift.allow with input as by("shared") with data.spacelift.keys as both
}
