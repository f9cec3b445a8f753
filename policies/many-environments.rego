# One key in many environments.
#
# Some machines look after every environment: they back up, they watch. One rule with a variable in its head gives the role in each space
# that the variable takes, so adding an environment is one word. Production is left out of what the backup service may do by hand below.
#
# Expects: spaces development, staging, production; roles observer, operator.
package spacelift

environments := {"development", "staging", "production"}

watchers := {"backup-service", "monitoring-agent"}

roles[space]["observer"] if {
	input.session.login in watchers
	some space in environments
}

# Restoring a backup over production is for people to do, and not for a key.
roles[space]["operator"] if {
	input.session.login == "backup-service"
	some space in environments - {"production"}
}

allow if input.session.login in watchers
