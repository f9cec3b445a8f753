package spacelift_test

import data.spacelift

at(login, moment) := {
	"request": {"timestamp_ns": time.parse_rfc3339_ns(moment)},
	"session": {"login": login},
}

deploys(moment) if spacelift.roles.production.deployer with input as at("release-bot", moment)

# 2026-07-01 is a Wednesday.
test_deployers_deploy_within_the_window if {
	deploys("2026-07-01T09:00:00Z")
	deploys("2026-07-01T12:30:00Z")
	deploys("2026-07-01T16:59:59Z")
}

test_nobody_deploys_before_and_after if {
	not deploys("2026-07-01T08:59:59Z")
	not deploys("2026-07-01T17:00:00Z")
}

test_nobody_deploys_at_weekends if {
	not deploys("2026-07-04T12:00:00Z")
	not deploys("2026-07-05T12:00:00Z")
	deploys("2026-07-06T12:00:00Z")
}

test_the_window_is_in_utc_wherever_the_request_is_from if deploys("2026-07-01T23:30:00+09:00")

test_deployers_look_at_any_time if {
	spacelift.allow with input as at("release-bot", "2026-07-05T03:00:00Z")
	spacelift.roles.production["space-reader"] with input as at("release-bot", "2026-07-05T03:00:00Z")
	spacelift.roles.staging.deployer with input as at("release-bot", "2026-07-05T03:00:00Z")
}

test_others_do_not_deploy_within_the_window if {
	not spacelift.allow with input as at("intern", "2026-07-01T12:00:00Z")
}
