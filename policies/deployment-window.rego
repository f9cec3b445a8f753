# A window for deployments to production: Monday to Friday, from 9:00:00 to 16:59:59 UTC.
#
# The time is that of the request, never the machine's: it can be simulated, and a cached answer ends with the window. `hour < 17` and not
# `hour <= 16` or `hour <= 17`: the latter two are the ways to be an hour off, or to let the whole last hour pass.
#
# Who needs a window in local time writes time.clock([input.request.timestamp_ns, "Europe/Berlin"]); daylight saving is then seen to.
#
# Expects: spaces staging, production; roles deployer, space-reader.
package spacelift

deployers := {"release-bot", "ci-cd-production"}

workdays := {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}

roles["production"]["deployer"] if {
	input.session.login in deployers
	within_window
}

# Outside of the window a deployer still looks, and still deploys to staging.
roles["production"]["space-reader"] if input.session.login in deployers

roles["staging"]["deployer"] if input.session.login in deployers

allow if input.session.login in deployers

within_window if {
	time.weekday([input.request.timestamp_ns, "UTC"]) in workdays
	[hour, _, _] := time.clock([input.request.timestamp_ns, "UTC"])
	hour >= 9
	hour < 17
}
