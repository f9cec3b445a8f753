package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

holding(role, roles) := {space | some space; roles[space][role]}

test_watchers_observe_everywhere if {
	every login in {"backup-service", "monitoring-agent"} {
		spacelift.allow with input as by(login)
		roles := spacelift.roles with input as by(login)
		holding("observer", roles) == {"development", "staging", "production"}
	}
}

test_backups_operate_outside_of_production if {
	roles := spacelift.roles with input as by("backup-service")
	holding("operator", roles) == {"development", "staging"}
}

test_the_monitor_operates_nowhere if {
	roles := spacelift.roles with input as by("monitoring-agent")
	holding("operator", roles) == set()
}

test_other_keys_get_nothing if {
	not spacelift.allow with input as by("backup-service-2")
}
