package spacelift_test

import data.spacelift

by(login) := {"session": {"login": login}}

test_a_pipeline_deploys_to_its_environment if {
	spacelift.allow with input as by("pipeline-blog-staging")
	spacelift.roles.staging.deployer with input as by("pipeline-blog-staging")
	not spacelift.roles.production.deployer with input as by("pipeline-blog-staging")
}

test_listed_projects_are_released_by_machine if {
	spacelift.allow with input as by("pipeline-orders-production")
	spacelift.roles.production.deployer with input as by("pipeline-orders-production")
	spacelift.roles.staging["space-reader"] with input as by("pipeline-orders-production")
}

test_other_projects_are_not if {
	not spacelift.allow with input as by("pipeline-blog-production")
	not spacelift.roles.production.deployer with input as by("pipeline-blog-production")
}

test_names_that_are_not_those_of_pipelines_get_nothing if {
	every login in {"pipeline-orders", "pipeline-orders-production-2", "orders-production", "pipeline-orders-moon"} {
		not spacelift.allow with input as by(login)
	}
}
