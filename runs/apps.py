from django.apps import AppConfig


class RunsConfig(AppConfig):
    name = "runs"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Answer what the apps below ask of runs: they may not import them."""
        import compute.hooks
        import datasets.hooks
        import environments.hooks
        import pipelines.hooks
        import registry.hooks
        import workspaces.hooks
        from runs import live
        from runs.queries import children, clusters, code, files
        from runs.queries import workspaces as open_runs
        from runs.services.maintenance import host_removal, revoked_submitters
        from runs.services.orchestration import cluster_removal, run_transaction
        from runs.services.results import output_conflicts
        from runs.services.scheduling import placing, wakeups
        from runs.services.submission import drafts, publish

        compute.hooks.cluster_use.register(clusters.use_of)
        compute.hooks.waiting_counts.register(clusters.waiting_counts)
        compute.hooks.runs_on_nodes.register(clusters.runs_on_nodes)
        compute.hooks.cluster_deleted.register(cluster_removal.clear)
        compute.hooks.host_revoked.register(host_removal.give_up)
        datasets.hooks.file_written.register(output_conflicts.keep_upload_off)
        environments.hooks.build_queued.register(wakeups.wake_builders)
        pipelines.hooks.copy_of_run.register(drafts.copy_of)
        pipelines.hooks.publish.register(publish.from_request)
        pipelines.hooks.snapshot_files.register(code.paths_of)
        registry.hooks.run_files.register(files.model_files)
        registry.hooks.runs_below.register(children.runs_below)
        workspaces.hooks.open_runs.register(open_runs.open_runs)
        workspaces.hooks.open_runs_of.register(open_runs.open_runs_of)
        workspaces.hooks.rights_reduced.register(revoked_submitters.stop_later)
        run_transaction.placement_needed.register(placing.place)
        live.register()
