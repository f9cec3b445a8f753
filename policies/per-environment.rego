# Separate keys for each environment.
#
# A key that leaks from a development machine must be worth nothing in production, so no key stands in two of these sets. The `deny` holds
# the file to that: a key that somebody puts into two sets is refused, which is noticed sooner than a key that can do too much.
#
# Expects: spaces development, staging, production; role deployer.
package spacelift

keys := {
	"development": {"deploy-dev-1", "deploy-dev-2"},
	"staging": {"deploy-staging"},
	"production": {"deploy-prod-blue", "deploy-prod-green"},
}

roles[space]["deployer"] if {
	some space, names in keys
	input.session.login in names
}

environments contains space if {
	some space, names in keys
	input.session.login in names
}

allow if count(environments) == 1

deny if count(environments) > 1
