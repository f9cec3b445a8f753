package spacelift_test

import data.spacelift

at(login, address) := {
	"request": {"remote_ip": address},
	"session": {"login": login},
}

test_the_vault_operates_from_the_clusters if {
	every address in {"10.1.2.3", "::ffff:10.1.2.3", "fd00:c1a5:1::7"} {
		spacelift.allow with input as at("vault-1", address)
		spacelift.roles.production.operator with input as at("vault-1", address)
		not spacelift.deny with input as at("vault-1", address)
	}
}

test_the_vault_is_denied_from_elsewhere if {
	every address in {"192.0.2.7", "11.0.0.1", "fd00:c1a6::1", "::1"} {
		spacelift.deny with input as at("vault-1", address)
		not spacelift.allow with input as at("vault-1", address)
	}
}

test_offices_read if {
	every address in {"192.0.2.7", "2001:db8:f:1::1", "10.9.9.9"} {
		spacelift.roles.production["space-reader"] with input as at("office-printer", address)
	}
}

test_other_networks_do_not if {
	not spacelift.allow with input as at("office-printer", "192.0.3.1")
	not spacelift.deny with input as at("office-printer", "192.0.3.1")
}

test_other_keys_get_nothing_from_anywhere if {
	not spacelift.allow with input as at("ci", "10.1.2.3")
	not spacelift.deny with input as at("ci", "10.1.2.3")
}
