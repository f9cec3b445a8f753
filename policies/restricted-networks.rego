# Keys that count only from certain networks.
#
# A key that is stolen and used from elsewhere gives nothing; keys of the vault are refused outright, so that the attempt shows as a denial
# and bindings do not help it either. An IPv4 client is an IPv4 client however its address was written down (`::ffff:10.1.2.3`).
#
# Expects: space production; roles operator, space-reader.
package spacelift

offices := {"192.0.2.0/24", "2001:db8:0f::/48"}

clusters := {"10.0.0.0/8", "fd00:c1a5::/32"}

roles["production"]["operator"] if {
	startswith(input.session.login, "vault-")
	from(clusters)
}

roles["production"]["space-reader"] if {
	startswith(input.session.login, "office-")
	from(offices | clusters)
}

# Not `count(roles) > 0`: the spaces named in heads are in `roles` even where nobody has a role in them.
allow if roles[_][_]

deny if {
	startswith(input.session.login, "vault-")
	not from(clusters)
}

from(networks) if {
	some network in networks
	net.cidr_contains(network, input.request.remote_ip)
}
