# Keys of CI/CD pipelines.
#
# Keys are named `pipeline-<project>-<environment>`. A pipeline deploys to its own environment; to production only if the project is on the
# list of those that are released by machine, so that a pipeline that somebody clones does not reach production by its name alone.
#
# Expects: spaces development, staging, production; roles deployer, space-reader.
package spacelift

released_by_machine := {"orders", "payments"}

environments := {"development", "staging", "production"}

roles[space]["deployer"] if {
	space := pipeline.environment
	may_deploy
}

# Pipelines compare with what runs in staging before they release.
roles["staging"]["space-reader"] if pipeline.environment == "production"

allow if may_deploy

may_deploy if pipeline.environment in {"development", "staging"}

may_deploy if {
	pipeline.environment == "production"
	pipeline.project in released_by_machine
}

# What a key's name says. Undefined for keys that are not named like a pipeline, and so is all that rests on it.
pipeline := {"project": project, "environment": environment} if {
	["pipeline", project, environment] = split(input.session.login, "-")
	environment in environments
}
