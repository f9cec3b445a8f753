# Roles for keys named exactly.
#
# The plainest form, and the easiest to audit: who reads the file knows who has the roles. Names of keys are unique among those that are
# not revoked, and a rename counts as a change of privilege, so a name is as good as an id here and much easier to read.
#
# Expects: space production; roles deployer, observer.
package spacelift

deployers := {"ci-cd-production", "release-bot"}

observers := {"grafana", "uptime-probe"}

roles["production"]["deployer"] if input.session.login in deployers

roles["production"]["observer"] if input.session.login in observers

# Only for keys that this policy knows: what other keys may do is for other policies to say.
allow if input.session.login in (deployers | observers)
