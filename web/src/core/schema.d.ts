// Made from /openapi.json: WRITE_SCHEMA=1 npm test -- schema

export interface paths {
    "/api/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The alert rules there are, each with its present value and state. */
        get: operations["list_alerts"];
        put?: never;
        /** Makes an alert rule. It counts what comes in from now on; a budget also what was spent in its period before. */
        post: operations["create_alert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/alerts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One alert rule. */
        get: operations["get_alert"];
        put?: never;
        post?: never;
        /** Forgets an alert rule and what was counted for it. */
        delete: operations["delete_alert"];
        options?: never;
        head?: never;
        /**
         * Changes an alert rule. What the body names is replaced, what is null there is as if it had never been said, the rest stays.
         * @description Where something else is counted from now on, counting begins anew.
         */
        patch: operations["change_alert"];
        trace?: never;
    };
    "/api/v1/api-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The keys there are, also those that are over. */
        get: operations["list_api_keys"];
        put?: never;
        /**
         * Makes a key, which is shown in this answer and never again.
         * @description It is sent as a bearer token, and may do what was asked for here and its maker may do himself. It stops with its
         *     maker: when that account is disabled, and for what is withheld from it.
         */
        post: operations["create_api_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/api-keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One key. */
        get: operations["get_api_key"];
        put?: never;
        post?: never;
        /** Ends a key at once. Exports that it asked for and that still run fail as `revoked`. */
        delete: operations["revoke_api_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who did what in the organization. */
        get: operations["list_audit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The datasets the caller may read. */
        get: operations["list_datasets"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/{dataset}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One dataset: columns, filters, key, identity, limits. */
        get: operations["get_dataset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/prompts/count": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prompts: Counts the rows that match. The body of an export will do */
        post: operations["count_rows_prompts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/spans/count": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Spans: Counts the rows that match. The body of an export will do */
        post: operations["count_rows_spans"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/traces/count": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Traces: Counts the rows that match. The body of an export will do */
        post: operations["count_rows_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/prompts/facets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prompts: Counts the values of columns. Filters and selection are the export's; a column's own filter is not applied to it */
        post: operations["count_facets_prompts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/spans/facets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Spans: Counts the values of columns. Filters and selection are the export's; a column's own filter is not applied to it */
        post: operations["count_facets_spans"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/traces/facets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Traces: Counts the values of columns. Filters and selection are the export's; a column's own filter is not applied to it */
        post: operations["count_facets_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/prompts/rows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prompts: A page of rows. Filters and selection are the export's, and so is their meaning */
        post: operations["read_rows_prompts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/spans/rows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Spans: A page of rows. Filters and selection are the export's, and so is their meaning */
        post: operations["read_rows_spans"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/datasets/traces/rows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Traces: A page of rows. Filters and selection are the export's, and so is their meaning */
        post: operations["read_rows_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The destinations there are. */
        get: operations["list_destinations"];
        put?: never;
        /**
         * Keeps a destination, once it took what a delivery needs: a small object is put, read back and deleted, and an upload in
         *     parts is begun and thrown away. What fails is said, with what to grant.
         */
        post: operations["create_destination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/destinations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One destination. */
        get: operations["get_destination"];
        put?: never;
        post?: never;
        /** Forgets a destination. What is still owed to it fails; what lies there stays. */
        delete: operations["delete_destination"];
        options?: never;
        head?: never;
        /**
         * Changes a destination: what the body names is replaced, the rest stays. It is probed as it would be, and stays as it was if that
         *     fails; a new name alone is not probed. What is owed to it goes to where it points then.
         * @description Another endpoint, region, bucket, style of path or access key needs the `secret_key` with it: the one that is kept was given
         *     for the bucket as it was.
         */
        patch: operations["change_destination"];
        trace?: never;
    };
    "/api/v1/destinations/{id}/probe": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Probes a destination once more. 422 says what failed, and what to grant. */
        post: operations["probe_destination"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The exports there are. */
        get: operations["list_jobs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/perf": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Recent timings and sizes of the organization's exports. */
        get: operations["recent_performance"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One export. With `wait` it answers when the job is over, or, given `If-None-Match`, when it has changed. */
        get: operations["get_job"];
        put?: never;
        post?: never;
        /** Calls an export off. */
        delete: operations["cancel_job"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/deliver": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Delivers a file whose delivery failed, once more from the first try on. */
        post: operations["deliver_again"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/download": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Leads to a fresh link, which lives ten minutes at most. */
        get: operations["download"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What happens to an export, until it is over.
         * @description The first message is its present state; with `Last-Event-ID`, what happened since. Transitions carry an `id`; progress,
         *     twice a second at most, carries none. Comments keep the connection alive.
         */
        get: operations["job_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/file": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes the file now, not when it expires. */
        delete: operations["delete_file"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/receipt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The proof that the file is whole. */
        get: operations["get_receipt"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A failed export again, from its checkpoint. */
        post: operations["retry_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a one-time token for the file of a job, in the place of an unspent one that the caller had for it. */
        post: operations["create_one_time_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The one-time tokens for an export, newest first. */
        get: operations["list_one_time_tokens"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/jobs/{id}/tokens/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Takes a one-time token back. Whoever shows it is answered 410; a link that it was spent for lives on. */
        delete: operations["revoke_one_time_token"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/redeem": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Spends a one-time token for a fresh link. The token is all the right that is needed.
         * @description Of all who show the same token, one is answered 200. An answer that was lost spent it all the same.
         */
        post: operations["redeem_one_time_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/statistics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What the organization asked for over some days, by dataset and state. Today counts on top, and jobs count whether or
         *     not they can still be listed.
         */
        get: operations["statistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/prompts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Prompts: Asks for a file of the rows that match
         * @description The request is checked at once; the work is done in the background. A partial selection of few rows, and
         *     any request that prefers to (`Prefer: wait=N`), is waited for and answered with the finished job.
         */
        post: operations["create_export_prompts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/spans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Spans: Asks for a file of the rows that match
         * @description The request is checked at once; the work is done in the background. A partial selection of few rows, and
         *     any request that prefers to (`Prefer: wait=N`), is waited for and answered with the finished job.
         */
        post: operations["create_export_spans"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/traces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Traces: Asks for a file of the rows that match
         * @description The request is checked at once; the work is done in the background. A partial selection of few rows, and
         *     any request that prefers to (`Prefer: wait=N`), is waited for and answered with the finished job.
         */
        post: operations["create_export_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/prompts/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Prompts: Shows what an export would be, before anything is started. The body is the export's */
        post: operations["preview_export_prompts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/spans/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Spans: Shows what an export would be, before anything is started. The body is the export's */
        post: operations["preview_export_spans"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/export/traces/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Traces: Shows what an export would be, before anything is started. The body is the export's */
        post: operations["preview_export_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/notifications": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who in the organization is owed word, or was told. */
        get: operations["list_notifications"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/notifications/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A notification and each of its tries. */
        get: operations["get_notification"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/notifications/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Tells it once more, from the first step of its schedule, under the same id. */
        post: operations["replay_notification"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/presets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The presets there are. */
        get: operations["list_presets"];
        put?: never;
        /**
         * Saves a preset: the fields, the form and the filters of exports that are asked for again and again.
         * @description It is checked against its dataset. `"preset": "name"` in the body of an export or a preview uses it; what the body
         *     itself says goes first.
         */
        post: operations["create_preset"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/presets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One preset. */
        get: operations["get_preset"];
        put?: never;
        post?: never;
        /** Forgets a preset. Exports that were asked for with it are what they are. */
        delete: operations["delete_preset"];
        options?: never;
        head?: never;
        /** Changes a preset. What the body names is replaced, what is null there is taken away, the rest stays. */
        patch: operations["change_preset"];
        trace?: never;
    };
    "/api/v1/principals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who was seen here. */
        get: operations["list_principals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/principals/{sub}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One of them. */
        get: operations["get_principal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Disables a principal, lets it in again, or withholds permissions from it. It holds from the next request on. One
         *     that was never seen is remembered, so that it finds the door closed when it comes.
         */
        patch: operations["change_principal"];
        trace?: never;
    };
    "/api/v1/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The schedules there are: one's own, and those of others with `exports:read_all`. */
        get: operations["list_schedules"];
        put?: never;
        /**
         * Makes a schedule: an export that is asked for again and again.
         * @description It is checked against its dataset like an export, and asks in the name of whoever made it: what is withheld from that
         *     account later pauses it. Windows of `incremental` schedules meet without a gap and never overlap.
         */
        post: operations["create_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** When a schedule would run that is yet to be made, or changed. */
        post: operations["preview_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One schedule. */
        get: operations["get_schedule"];
        put?: never;
        post?: never;
        /** Forgets a schedule. Its exports stay. */
        delete: operations["delete_schedule"];
        options?: never;
        head?: never;
        /**
         * Changes a schedule: what the body names is replaced, the rest stays. Dataset and kind of window stay too: windows that
         *     were cut otherwise would not meet.
         */
        patch: operations["change_schedule"];
        trace?: never;
    };
    "/api/v1/schedules/{id}/backfill": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Exports a window of the past once more. The schedule itself goes on as before: rows of this window that it has
         *     exported, or will, are in both files.
         */
        post: operations["backfill_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Pauses a schedule: nothing is asked for until it is resumed, and nothing is lost. */
        post: operations["pause_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a schedule run again. The first window has everything since the last one. */
        post: operations["resume_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{id}/run": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Runs a schedule now, paused or not: its next window up to this moment. 409 if no row can be in it. */
        post: operations["run_schedule"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{id}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The runs of a schedule, as far as their jobs are kept. */
        get: operations["list_schedule_runs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who one is, by whatever one shows. */
        get: operations["get_session"];
        put?: never;
        /** Spends the ticket of a sign-in link and sets the cookie of a session. */
        post: operations["create_session"];
        /** Signs out. */
        delete: operations["delete_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The endpoints there are. */
        get: operations["list_webhooks"];
        put?: never;
        /** Makes an endpoint. Its secret is in this answer and never shown again; one with `ed25519` needs none. */
        post: operations["create_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One endpoint. */
        get: operations["get_webhook"];
        put?: never;
        post?: never;
        /** Forgets an endpoint. What is still owed to it is given up. */
        delete: operations["delete_webhook"];
        options?: never;
        head?: never;
        /**
         * Changes an endpoint. One that is given another URL is given another secret, which is in this answer and never shown
         *     again: whoever is there has no business with the one of before.
         */
        patch: operations["change_webhook"];
        trace?: never;
    };
    "/api/v1/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was sent to an endpoint, or is owed to it. */
        get: operations["list_webhook_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{id}/deliveries/{delivery}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One message, with what is sent and every try. */
        get: operations["get_webhook_delivery"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{id}/deliveries/{delivery}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a message once more, under the same id, and again by the schedule if that fails. */
        post: operations["replay_webhook_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Gives an endpoint another key. For a while messages are signed with both; the secret is in this answer and never shown
         *     again.
         */
        post: operations["rotate_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sends a test: a `system_alert` for this endpoint alone, whatever types it asked for, also to one that is disabled. */
        post: operations["test_webhook"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Opens a live socket: events as they happen.
         * @description A WebSocket (RFC 6455), not HTTP/2. The caller shows a token, an API key, the cookie of a session (from a page of this
         *     server) or, in the query, a ticket.
         */
        get: operations["open_live_socket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/ws/ticket": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a ticket by which a browser, which cannot send a header along, opens a live socket: once, within 30 seconds.
         * @description The socket may do what whoever asks for the ticket may do, and ends when that does.
         */
        post: operations["create_live_ticket"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/assets/{file}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What the console consists of. */
        get: operations["asset"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/embed/{file}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The elements for other pages, as one script. */
        get: operations["embed"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/files/{artifact}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The file behind a link. */
        get: operations["get_file"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process runs. */
        get: operations["livez"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Numbers for Prometheus, as OpenMetrics. */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Everything the server needs answers: job store, object storage, and the sources of rows. */
        get: operations["readyz"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/traces": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes in spans. */
        post: operations["ingest_traces"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description The organization's alert rules. */
        AlertListResponse: {
            alerts: components["schemas"]["AlertResponse"][];
        };
        /** @description An alert rule, and how things stand with it. */
        AlertResponse: components["schemas"]["AlertRule"] & {
            /** @example alr_0199c0ffee0070008000000000000001 */
            id: string;
            state: components["schemas"]["AlertStateResponse"];
            created_by: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
        };
        /** @description What an alert rule is made of. */
        AlertRule: {
            /** @description `metric` or `budget`. */
            kind: string;
            /** @description 1 to 200 characters. */
            name: string;
            /** @description True unless said otherwise. */
            enabled?: boolean | null;
            /**
             * @description Of a metric: `latency_avg`, `latency_p50`, `latency_p95`, `latency_p99` (milliseconds), `error_rate` (0 to 1), `tokens`,
             *     `cost` (dollars), `traces_per_minute`.
             */
            metric?: string | null;
            /**
             * Format: int64
             * @description Of a metric: 60 to 86400.
             */
            window_seconds?: number | null;
            /** @description Of a metric: `above` or `below`. */
            direction?: string | null;
            /**
             * Format: double
             * @description Of a metric: beyond this it fires,
             */
            threshold?: number | null;
            /**
             * Format: double
             * @description and at this or on the good side of it, it is over. The threshold unless said otherwise.
             */
            clear_threshold?: number | null;
            /**
             * Format: int64
             * @description Of a metric: for how long it does not fire again, 0 to 86400; 300.
             */
            cool_down_seconds?: number | null;
            /**
             * Format: int64
             * @description Of a metric: with fewer traces in the window nothing is judged; 0.
             */
            min_traces?: number | null;
            /** @description Of a metric: a value or a list of values for `provider`, `model`, `environment`, `user_id`, `service`, `project_id`. */
            filters?: Record<string, never> | null;
            /** @description Of a budget: what was spent with this provider; null: with all. */
            provider?: string | null;
            /**
             * @description Of a budget: a decimal above 0.
             * @example 125.50
             */
            amount_usd?: string | null;
            /** @description Of a budget: `day`, `week` (from Monday) or `month`. */
            period?: string | null;
            /** @description Of a budget: where days begin, by its IANA name; `UTC`. */
            time_zone?: string | null;
            /** @description Of a budget: at which percentages it is told; 50, 80, 100. */
            percentages?: number[] | null;
        };
        /** @description How things stand. */
        AlertStateResponse: {
            /**
             * @description `ok`; or `firing`: a metric is beyond its threshold and has not come back, a budget is spent.
             * @example ok
             */
            status: string;
            /** Format: date-time */
            since?: string | null;
            /**
             * Format: double
             * @description The metric, or the dollars spent, when it was last judged. Null if there is too little to judge by.
             */
            value?: number | null;
            /**
             * Format: date-time
             * @description When `value` was written down; it moves by at most some seconds without that.
             */
            judged_at?: string | null;
            /** Format: date-time */
            last_fired_at?: string | null;
            /** Format: date-time */
            cool_down_until?: string | null;
            spending?: components["schemas"]["SpendingResponse"] | null;
        };
        /** @description The keys of the organization, newest first. */
        ApiKeyListResponse: {
            api_keys: components["schemas"]["ApiKeyResponse"][];
            /** @description Hand it back as `cursor` for the next page. */
            next_cursor?: string | null;
        };
        /** @description A key, without the key. */
        ApiKeyResponse: {
            /** @example key_0199c0ffee0070008000000000000001 */
            id: string;
            /** @example nightly export */
            name: string;
            permissions: string[];
            /**
             * @description The principal it asks as.
             * @example api_key:key_0199c0ffee0070008000000000000001
             */
            sub: string;
            created_by: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at?: string | null;
            /** Format: date-time */
            revoked_at?: string | null;
            /**
             * Format: date-time
             * @description Give or take a minute.
             */
            last_used_at?: string | null;
            /** @description The key itself, in the answer that makes it and never again. */
            key?: string | null;
        };
        /** @description Who did what, when, from where. */
        AuditEntryResponse: {
            /**
             * Format: int64
             * @description Its place in the organization's chain, from 1.
             * @example 4711
             */
            number: number;
            /**
             * Format: date-time
             * @description By the database's clock.
             */
            at: string;
            /**
             * @description A `sub`, or the name of a user of the machine; of a link or a one-time token whom it was made for.
             * @example ada
             */
            actor: string;
            /**
             * @description How the actor came: token, api_key, session, one_time_token, link, command_line, system.
             * @example token
             */
            via: string;
            /** @example export.create */
            action: string;
            object: components["schemas"]["AuditObject"];
            /**
             * @description done or refused.
             * @example done
             */
            outcome: string;
            /**
             * @description From which address.
             * @example 192.0.2.7
             */
            address?: string | null;
            user_agent?: string | null;
            request_id?: string | null;
            detail: Record<string, never>;
            /** @description The hash of the entry before. */
            previous: string;
            /** @description SHA-256 over all of the entry and the hash of the one before. */
            hash: string;
        };
        /** @description What something was done to. */
        AuditObject: {
            /**
             * @description job, preset, principal, api_key, session, route, entry.
             * @example job
             */
            kind: string;
            /** @example job_0199c0ffee0070008000000000000001 */
            id: string;
        };
        /** @description A page of the organization's audit trail, newest first. */
        AuditResponse: {
            entries: components["schemas"]["AuditEntryResponse"][];
            /** @description Hand it back as `cursor` for the next page; null on the last one. */
            next_cursor?: string | null;
        };
        /** @description A column. */
        ColumnView: {
            name: string;
            /** @example decimal(18,9) */
            type: string;
            label: string;
            /** @description Whether only those may read it as it is who have `pii:read`. */
            sensitive: boolean;
            /**
             * @description What the caller gets of it: `clear`, `mask`, `hash` (a text then), `drop`, or `redact` (a document without some of
             *     its values).
             */
            shown: string;
            /** @description Where the values of its documents are masked, as JSON pointers with `*` for every member. */
            redacted?: string[];
            /** @description The permission that is needed to sort by it, or to see it as it is, if the caller has it not. */
            needs?: string | null;
            /** @description The type of its elements, if it is an array. */
            elements?: string | null;
            /** @description The regular expression of what its values can be compared with, if not every text will do. */
            pattern?: string | null;
        };
        /** @description A number of rows. */
        CountResponse: {
            /** Format: int64 */
            count: number;
            /** @description Whether the count is exact. */
            exact: boolean;
            /** @description The moment it is true for; hand it to an export to get these rows. */
            as_of: string;
        };
        /** @description The datasets the caller may read. */
        DatasetListResponse: {
            datasets: components["schemas"]["DatasetResponse"][];
        };
        /** @description A dataset. */
        DatasetResponse: {
            /** @example spans */
            name: string;
            title: string;
            /** @description What is needed to read it. */
            permission: string;
            /** @description `append_only`, `mutable` or `versioned`. */
            rows: string;
            columns: components["schemas"]["ColumnView"][];
            /** @description The columns by which rows are ordered. */
            key: string[];
            /** @description The columns by which a selection names a row. */
            identity: string[];
            /** @description The column `start_time` and `end_time` speak of. */
            time?: string | null;
            filters: components["schemas"]["FilterView"][];
            /** @description The columns of a file when none are asked for. */
            default_columns: string[];
            limits: components["schemas"]["LimitsView"];
        };
        /** @description What was sent to an endpoint, newest first. */
        DeliveryListResponse: {
            deliveries: components["schemas"]["DeliveryResponse"][];
            /** @description Hand it back as `cursor` for the next page. */
            next_cursor?: string | null;
        };
        /** @description A message to an endpoint. */
        DeliveryResponse: {
            /**
             * @description What the message has as `webhook-id`, the same each time it is sent.
             * @example ntf_0199c0ffee0070008000000000000001
             */
            id: string;
            /** @example export_job_status */
            event_type: string;
            /**
             * Format: int64
             * @description The number of the event in the organization.
             */
            seq: number;
            /**
             * @description `pending`, `delivered` or `failed`.
             * @example delivered
             */
            state: string;
            /**
             * Format: int32
             * @description How often it was tried since it was owed.
             */
            tries: number;
            /**
             * Format: date-time
             * @description When it is tried next.
             */
            due_at?: string | null;
            /** Format: date-time */
            created_at: string;
            /** @description What the last try came to. */
            last_answer?: string | null;
            /** @description What is sent, where one message was asked for by somebody who may read events of its type. */
            payload?: Record<string, never> | null;
            /** @description Every try, where one message was asked for. */
            log?: components["schemas"]["TryResponse"][] | null;
        };
        /** @description The delivery of a file. */
        DeliveryView: {
            destination_id: string;
            /** @description `pending`, `delivered` or `failed`. */
            state: string;
            /** @description The key of the object below the destination's prefix. */
            key?: string | null;
            /**
             * Format: int32
             * @description How often it was tried.
             */
            tries: number;
            /** @description What the last try came to. */
            error?: string | null;
            /** Format: date-time */
            delivered_at?: string | null;
        };
        /** @description The destinations there are. */
        DestinationListResponse: {
            destinations: components["schemas"]["DestinationResponse"][];
        };
        /** @description A bucket of the organization's own. The secret is never shown. */
        DestinationResponse: {
            /** @example dst_0199c0ffee0070008000000000000001 */
            id: string;
            name: string;
            /** @description `s3` */
            kind: string;
            /** @description Null: Amazon's own for the region. */
            endpoint?: string | null;
            region: string;
            bucket: string;
            prefix: string;
            access_key: string;
            path_style: boolean;
            created_by: string;
            /** Format: date-time */
            created_at: string;
            /**
             * Format: date-time
             * @description When it last took what we tried.
             */
            probed_at: string;
            last_delivery?: components["schemas"]["LastDeliveryView"] | null;
        };
        /** @description Why a job failed. */
        ErrorView: {
            /** @description A code of the error table. */
            code: string;
            message: string;
        };
        /** @description An export that was accepted. */
        ExportResponse: {
            /** @example job_0199c0ffee0070008000000000000001 */
            job_id: string;
            /**
             * @example pending
             * @enum {string}
             */
            status: "pending" | "processing" | "completed" | "failed" | "cancelled" | "expired";
            /** Format: date-time */
            created_at: string;
            /**
             * Format: date-time
             * @description From how long such exports took lately; null if there were none.
             */
            estimated_completion_at?: string | null;
            /** @description Where to look how it goes. */
            status_url: string;
        };
        /** @description A value. */
        FacetValueView: {
            /** @description As the filter takes it. */
            value: components["schemas"]["Value"];
            /**
             * Format: int64
             * @description Rows that have it.
             */
            count: number;
        };
        /** @description Values of a column among the rows that pass all filters but those that name values of this column. */
        FacetView: {
            /** @example provider */
            column: string;
            /** @description The filter that narrows rows down to some of the values. */
            filter: string;
            /** @description The most frequent first; up to 100 of those that the filter names are always among them, if they occur. */
            values: components["schemas"]["FacetValueView"][];
            /**
             * Format: int64
             * @description Rows without a value.
             */
            nulls: number;
            /**
             * Format: int64
             * @description Rows with any other value.
             */
            others: number;
        };
        /** @description Values of columns among the rows that match. */
        FacetsResponse: {
            /** @description One for each column asked for, in this order. */
            facets: components["schemas"]["FacetView"][];
            /**
             * @description Whether the numbers are exact. If not, the rows were too many for the time there is, or their values too various: the
             *     numbers are of the rows that were looked at, and there are at least as many.
             */
            exact: boolean;
            /**
             * Format: int64
             * @description Rows that were looked at.
             */
            rows: number;
            /** @description The moment it is true for; hand it to count, page and export to get these rows. */
            as_of: string;
        };
        /** @description A filter. */
        FilterView: {
            name: string;
            /** @description `eq`, `in`, `range`, `min`, `max`, `contains` or `overlaps`. */
            op: string;
            /** @description The type of its values. */
            type: string;
            /** @description The columns it looks at. */
            columns: string[];
            /** @description The permission that is needed to use it, if the caller has it not. */
            needs?: string | null;
        };
        /** @description A message of the stream, as its fields are called on the wire. */
        JobEventMessage: {
            /** @description The number of the event; progress has none. */
            id?: string | null;
            /** @description `export_job_status`. */
            event?: string | null;
            /** @description JSON: `event_type`, `data`, `timestamp`, `seq`. */
            data?: string | null;
            /**
             * Format: int64
             * @description Milliseconds to wait before coming back.
             */
            retry?: number | null;
        };
        /** @description A page of jobs, newest first. */
        JobListResponse: {
            jobs: components["schemas"]["JobResponse"][];
            pagination: components["schemas"]["Pagination"];
        };
        /** @description An export job. */
        JobResponse: {
            /**
             * @description Its id.
             * @example job_0199c0ffee0070008000000000000001
             */
            job_id: string;
            /** @description The dataset the rows come from. */
            dataset: string;
            /** @description The human name. */
            name: string;
            /** @description The name the file gets. */
            file_name: string;
            /** @description What was asked for, with defaults filled in. */
            spec: Record<string, never>;
            /**
             * @description `pending`, `processing`, `completed`, `failed`, `cancelled` or `expired`.
             * @enum {string}
             */
            status: "pending" | "processing" | "completed" | "failed" | "cancelled" | "expired";
            /**
             * @description `queued`, `planning`, `exporting`, `publishing` or `done`.
             * @enum {string}
             */
            phase: "queued" | "planning" | "exporting" | "publishing" | "done";
            format: string;
            compression: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            started_at?: string | null;
            /**
             * Format: date-time
             * @description When it came to rest: completed, failed or cancelled.
             */
            completed_at?: string | null;
            /**
             * Format: date-time
             * @description When the file goes.
             */
            expires_at?: string | null;
            /**
             * Format: int64
             * @description Rows in the file so far.
             */
            row_count: number;
            /**
             * Format: int64
             * @description The same as `row_count`, for the datasets of spans.
             */
            trace_count?: number | null;
            /**
             * Format: int64
             * @description Rows the file will have, once they are counted.
             */
            expected_rows?: number | null;
            /**
             * Format: int64
             * @description Rows that match, once they are counted; more than `expected_rows` if a limit cuts.
             */
            matching_rows?: number | null;
            /** @description Whether a limit cuts rows off. */
            limited: boolean;
            /**
             * Format: int64
             * @description Bytes of the file so far.
             */
            file_size_bytes: number;
            /**
             * Format: double
             * @description Known once rows are counted; 100 only when the file is there.
             */
            progress_percent?: number | null;
            /** Format: double */
            rows_per_second: number;
            /** Format: int64 */
            eta_seconds?: number | null;
            /** @description Where a fresh link is to be had. The path never changes. */
            download_url: string;
            status_url: string;
            error?: components["schemas"]["ErrorView"] | null;
            /**
             * Format: int32
             * @description How often it was begun.
             */
            attempt: number;
            /** @description The request id it was asked for with. */
            request_id?: string | null;
            /** @description Who asked. */
            owner: string;
            metadata: components["schemas"]["Metadata"];
            delivery?: components["schemas"]["DeliveryView"] | null;
            /** @description A fresh link, when the job was waited for. It lives ten minutes at most. */
            link?: string | null;
            /**
             * Format: date-time
             * @description When the link dies.
             */
            link_expires_at?: string | null;
        };
        /** @description A file that is to go to a destination, and how that stands. */
        LastDeliveryView: components["schemas"]["DeliveryView"] & {
            job_id: string;
        };
        /** @description What a request may ask for at most. */
        LimitsView: {
            /** Format: int64 */
            rows?: number | null;
            /** Format: int32 */
            days: number;
            identities: number;
        };
        /** @description Whether `"notify": {"email": true}` can be asked for. */
        MailView: {
            /** @description Whether this installation sends mail. */
            is_sent: boolean;
            /** @description Where it would go: the address one comes with, or else last came with. */
            address?: string | null;
        };
        /** @description What the caller can do with it now. */
        Metadata: {
            can_cancel: boolean;
            can_download: boolean;
            can_retry: boolean;
            is_expired: boolean;
            /**
             * Format: int64
             * @description Seconds until the file goes.
             */
            seconds_until_expiration?: number | null;
        };
        /** @description A notification with its log. */
        NotificationDetailResponse: components["schemas"]["NotificationResponse"] & {
            log: components["schemas"]["TryResponse"][];
        };
        /** @description A page of notifications, newest first. */
        NotificationListResponse: {
            notifications: components["schemas"]["NotificationResponse"][];
            /** @description Hand it back as `cursor` for the next page; null on the last one. */
            next_cursor?: string | null;
        };
        /** @description Word that somebody is owed, was given or could not be given. */
        NotificationResponse: {
            /** @example ntf_0199c0ffee0070008000000000000001 */
            id: string;
            /**
             * @description email or webhook.
             * @example email
             */
            channel: string;
            /**
             * @description An e-mail address, or the id of a webhook endpoint.
             * @example ada@example.com
             */
            address: string;
            /**
             * @description pending, delivered or failed.
             * @example pending
             */
            state: string;
            /**
             * Format: int32
             * @description How often it was tried since it was owed (again).
             */
            tries: number;
            /**
             * Format: date-time
             * @description When it is tried next, while it is pending.
             */
            due_at?: string | null;
            /** Format: date-time */
            created_at: string;
            /** @description What the last try came to. */
            last_answer?: string | null;
            event: components["schemas"]["NotifiedEvent"];
        };
        /** @description What a notification is about. */
        NotifiedEvent: {
            /**
             * @description The same for everybody who is told, by whichever way.
             * @example export_job_status:acme:4711
             */
            id: string;
            /** @example export_job_status */
            event_type: string;
            /** Format: int64 */
            seq: number;
            job_id?: string | null;
            /** Format: date-time */
            timestamp: string;
        };
        /** @description A one-time token. */
        OneTimeTokenResponse: {
            /**
             * @description Good for one link to the file. Shown now and never again.
             * @example ot1.3q2-…_Zw.9f86d081
             */
            token: string;
            /** @description The page where a person spends it. Looking at the page spends nothing. */
            url: string;
            /**
             * Format: date-time
             * @description When its time is over: never later than the file's.
             */
            expires_at: string;
        };
        /** @description Where a page stands. */
        Pagination: {
            /**
             * Format: int64
             * @description Jobs that pass the filters, on all pages.
             */
            total: number;
            /** Format: int64 */
            limit: number;
            /** Format: int64 */
            offset: number;
            has_more: boolean;
            /** @description Hand it back as `cursor` for the next page. */
            next_cursor?: string | null;
        };
        /** @description Distributions over the exports listed. */
        Percentiles: {
            queued_ms?: components["schemas"]["Spread"] | null;
            duration_ms?: components["schemas"]["Spread"] | null;
            rows_per_second?: components["schemas"]["Spread"] | null;
            row_count?: components["schemas"]["Spread"] | null;
            file_size_bytes?: components["schemas"]["Spread"] | null;
        };
        /** @description Recent exports, with percentiles over them. */
        PerfResponse: {
            /** @description Newest first. */
            jobs: components["schemas"]["PerfView"][];
            percentiles: components["schemas"]["Percentiles"];
        };
        /** @description How one export performed. */
        PerfView: {
            /** @description Left out for who may only see their own exports. */
            job_id?: string | null;
            dataset: string;
            /**
             * @description Format and compression, as in an extension.
             * @example csv.gz
             */
            format: string;
            /** Format: date-time */
            completed_at: string;
            /** Format: int64 */
            row_count: number;
            /** Format: int64 */
            file_size_bytes: number;
            /**
             * Format: int64
             * @description From the request to the first claim; null once the job itself is no longer kept.
             */
            queued_ms?: number | null;
            /**
             * Format: int64
             * @description From the first claim to publication.
             */
            duration_ms: number;
            /** Format: double */
            rows_per_second: number;
            frame_ms: components["schemas"]["Spread"];
            frame_bytes: components["schemas"]["Spread"];
            /** Format: int64 */
            peak_memory_bytes: number;
        };
        /** @description The organization's presets, as far as the caller may read their datasets. */
        PresetListResponse: {
            presets: components["schemas"]["PresetResponse"][];
        };
        /** @description A preset. */
        PresetResponse: Record<string, never> & {
            /** @example finance */
            name: string;
            /** @example spans */
            dataset: string;
            created_by: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
        };
        /** @description A column of the file. */
        PreviewColumn: {
            /** @description The dataset's column. */
            name: string;
            /** @description The header in the file. */
            header: string;
            type: string;
            label: string;
        };
        /** @description What an export would be. */
        PreviewResponse: {
            /** @description The columns of the file, in order. */
            columns: components["schemas"]["PreviewColumn"][];
            /**
             * Format: int64
             * @description Rows that match.
             */
            count: number;
            /** @description Whether the count is exact. */
            exact: boolean;
            /**
             * Format: int64
             * @description Rows the file would have.
             */
            expected_rows: number;
            /** @description Whether a limit would cut rows off. */
            limited: boolean;
            /**
             * Format: int64
             * @description From recent exports of the same kind, else from the sample.
             */
            estimated_bytes: number;
            /**
             * Format: double
             * @description From recent exports of the same dataset; null if there were none.
             */
            estimated_seconds?: number | null;
            /**
             * Format: int64
             * @description How long the file is kept once it is there.
             */
            kept_seconds: number;
            refusal?: components["schemas"]["RefusalView"] | null;
            /** @description The moment the count is true for; hand it to the export to get these rows. */
            as_of: string;
        };
        /** @description Those who were seen, or spoken of. */
        PrincipalListResponse: {
            principals: components["schemas"]["PrincipalResponse"][];
            /** @description Hand it back as `cursor` for the next page. */
            next_cursor?: string | null;
        };
        /** @description A user or a machine. */
        PrincipalResponse: {
            /**
             * @description As in its token; `api_key:…` for an API key.
             * @example alice
             */
            sub: string;
            email?: string | null;
            /**
             * Format: date-time
             * @description Null if it was never seen.
             */
            first_seen_at?: string | null;
            /**
             * Format: date-time
             * @description Give or take a minute.
             */
            last_seen_at?: string | null;
            disabled: boolean;
            /** Format: date-time */
            disabled_at?: string | null;
            /** @description Permissions it does not have, whatever its token says. */
            withheld: string[];
        };
        /** @description What a token was spent for. */
        RedeemResponse: {
            /** @description A fresh link to the file. It needs no token, and a download that broke off goes on under it. */
            link: string;
            /**
             * Format: date-time
             * @description When the link dies: in ten minutes at most.
             */
            expires_at: string;
            file_name: string;
            /** Format: int64 */
            bytes: number;
            /** @description Of the file, in lower-case hex. */
            sha256: string;
        };
        /** @description A limit that is reached. */
        RefusalView: {
            /** @description Which, and until when. */
            detail: string;
            /**
             * Format: int64
             * @description Seconds after which to ask again.
             */
            retry_after: number;
        };
        /** @description A page of rows. */
        RowsResponse: {
            /** @description Hand it back as `cursor` for the next page; null on the last. */
            next_cursor?: string | null;
            /** @description The moment the page is true for. */
            as_of: string;
        };
        /** @description The schedules there are. */
        ScheduleListResponse: {
            schedules: components["schemas"]["ScheduleResponse"][];
        };
        /** @description A schedule. */
        ScheduleResponse: {
            /** @example sch_0199c0ffee0070008000000000000001 */
            id: string;
            name: string;
            /** @example spans */
            dataset: string;
            /** @description As in the body of an export. */
            request: Record<string, never>;
            /** @example 30 2 * * * */
            cron: string;
            /** @example Europe/Berlin */
            time_zone: string;
            /** @description `incremental` or `full`. */
            window: string;
            /**
             * Format: int32
             * @description How long rows are waited for where windows are cut by a time column.
             */
            horizon_seconds: number;
            /** @description In whose name it asks. */
            owner: string;
            /** @description `active` or `paused`. */
            state: string;
            /** @description Why it is paused: `asked`, `owner_withdrawn` or `configuration`. */
            pause_reason?: string | null;
            /** @description The same for people. */
            pause_detail?: string | null;
            /** @description Where the next window begins; null: at the beginning of all rows. */
            position?: string | null;
            /** Format: date-time */
            next_run_at?: string | null;
            /** @description When it would run from now on, paused or not: the next five times. */
            next_runs: string[];
            /** Format: date-time */
            last_run_at?: string | null;
            last_run?: components["schemas"]["ScheduleRunResponse"] | null;
            /**
             * Format: int32
             * @description Configuration errors in a row; the fifth pauses it.
             */
            errors: number;
            /** @description The last thing that went wrong. */
            last_error?: string | null;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
        };
        /** @description The runs of a schedule. */
        ScheduleRunListResponse: {
            runs: components["schemas"]["ScheduleRunResponse"][];
        };
        /** @description A run: a window and the job that exports it. */
        ScheduleRunResponse: {
            /** @example job_0199c0ffee0070008000000000000001 */
            job_id: string;
            /** @description The state of the job. A failed one can be retried; its window is not run again by itself. */
            status: string;
            /** @description `scheduled`, `asked` or `backfill`. */
            kind: string;
            /** @description Where its rows begin: a moment of the time column, or an `as_of` that they are newer than; null: at the beginning. */
            window_from?: string | null;
            /** @description Where they end. */
            window_to?: string | null;
            /** Format: date-time */
            due_at: string;
            /** Format: date-time */
            created_at: string;
            /** @description Where to look how it goes. */
            status_url: string;
        };
        /** @description Who one is here. */
        SessionResponse: {
            org_id: string;
            sub: string;
            email?: string | null;
            mail: components["schemas"]["MailView"];
            /** @description As granted. */
            permissions: string[];
            /** @description What of it an administrator withholds. */
            withheld: string[];
            /** @description `token`, `api_key` or `session`. */
            via: string;
            /**
             * Format: date-time
             * @description When the session ends; null for the others.
             */
            expires_at?: string | null;
        };
        /** @description A period of a budget. */
        SpendingResponse: {
            /** Format: date-time */
            from: string;
            /** Format: date-time */
            to: string;
            /**
             * @description Exact.
             * @example 80.25
             */
            spent_usd: string;
            /** @description The percentages that were told. */
            told: number[];
        };
        /** @description A distribution. */
        Spread: {
            /** Format: double */
            p50: number;
            /** Format: double */
            p95: number;
            /** Format: double */
            max: number;
        };
        /** @description What an organization exported. */
        StatisticsResponse: {
            /** Format: int64 */
            days: number;
            /**
             * Format: date-time
             * @description Midnight (UTC) so many days ago.
             */
            since: string;
            totals: components["schemas"]["Totals"];
            /** @description By dataset and state. */
            datasets: components["schemas"]["StatisticsView"][];
        };
        /** @description One dataset, one state. */
        StatisticsView: {
            dataset: string;
            status: string;
            /** Format: int64 */
            jobs: number;
            /** Format: int64 */
            row_count: number;
            /** Format: int64 */
            file_size_bytes: number;
        };
        /** @description A ticket. */
        TicketResponse: {
            /** @description Good for one live socket: `/api/v1/ws?ticket=…`. Shown now and never again. */
            ticket: string;
            /**
             * Format: date-time
             * @description When its time is over.
             */
            expires_at: string;
        };
        /** @description When a schedule would run. */
        TimetableResponse: {
            /** @description The next five times from now on. */
            next_runs: string[];
        };
        /** @description The tokens for an export. */
        TokenListResponse: {
            tokens: components["schemas"]["TokenView"][];
        };
        /** @description A one-time token, without its text. */
        TokenView: {
            /**
             * @description What it is called, in the audit trail as well.
             * @example 9f86d081884c7d65
             */
            id: string;
            /** @description Whom it was made for: whoever asked for it, or gets the mail. */
            made_for: string;
            /** @description `download`, or `mail` for the link in a mail. */
            purpose: string;
            /** @description `live`, `spent` or `expired`. */
            state: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            expires_at: string;
            /** Format: date-time */
            spent_at?: string | null;
        };
        /** @description Sums. */
        Totals: {
            /** Format: int64 */
            jobs: number;
            /** Format: int64 */
            row_count: number;
            /** Format: int64 */
            file_size_bytes: number;
        };
        /** @description One try. */
        TryResponse: {
            /**
             * Format: int32
             * @description From 1; it goes on when the notification is replayed.
             */
            number: number;
            /** Format: date-time */
            at: string;
            answer: string;
            /** Format: int64 */
            took_ms: number;
        };
        Value: unknown;
        /** @description The organization's endpoints, newest first. */
        WebhookListResponse: {
            webhooks: components["schemas"]["WebhookResponse"][];
        };
        /** @description An endpoint. */
        WebhookResponse: {
            /** @example whk_0199c0ffee0070008000000000000001 */
            id: string;
            /** @example https://hooks.example.org/offtake */
            url: string;
            /** @description Types of events it is told of. */
            events: string[];
            description: string;
            /** @description Whether it is told at all. */
            enabled: boolean;
            /** @description Why Offtake itself disabled it. */
            disabled_reason?: string | null;
            /**
             * @description How messages are signed: `hmac` or `ed25519`.
             * @example hmac
             */
            signing: string;
            /** @description What to verify with where that needs no secret: `whpk_…`. */
            public_key?: string | null;
            /**
             * Format: date-time
             * @description Until when messages are signed with the key before as well.
             */
            previous_key_until?: string | null;
            /**
             * Format: int32
             * @description Messages in a row that were given up.
             */
            given_up: number;
            created_by: string;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            changed_at: string;
            /** @description The secret to verify with, `whsec_…`: in the answer that makes it and never again. */
            secret?: string | null;
        };
        /** @description RFC 9457. Decide on `code`, never on text. */
        Problem: {
            /** Format: uri */
            type: string;
            title: string;
            status: number;
            /** @enum {string} */
            code: "malformed" | "unauthenticated" | "forbidden" | "revoked" | "not_found" | "method_not_allowed" | "conflict" | "not_ready" | "gone" | "precondition_failed" | "too_large" | "unsupported_media_type" | "range_not_satisfiable" | "invalid_request" | "idempotency_mismatch" | "too_many_requests" | "internal" | "store_unavailable" | "source_unavailable" | "source_denied" | "storage_unavailable" | "storage_denied" | "unavailable" | "storage_full" | "rows_changed" | "memory_limit" | "spool_limit" | "schema_drift" | "poison" | "lease_lost" | "cancelled" | "timeout";
            detail: string;
            errors: {
                /** @description JSON pointer into the body, or ?name of a query parameter */
                pointer: string;
                detail: string;
            }[];
            request_id: string;
        };
        "CountRequest.prompts": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
        };
        "CountRequest.spans": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
        };
        "CountRequest.traces": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
        };
        "FacetsRequest.prompts": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @description The columns whose values are counted */
            facets: ("trace_id" | "span_id" | "parent_span_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code")[];
            /**
             * @description The most values of each column
             * @default 20
             */
            limit: number;
        };
        "FacetsRequest.spans": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @description The columns whose values are counted */
            facets: ("trace_id" | "span_id" | "parent_span_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code")[];
            /**
             * @description The most values of each column
             * @default 20
             */
            limit: number;
        };
        "FacetsRequest.traces": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @description The columns whose values are counted */
            facets: ("trace_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code")[];
            /**
             * @description The most values of each column
             * @default 20
             */
            limit: number;
        };
        "RowsRequest.prompts": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            sort?: string | {
                /** @enum {string} */
                column: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events" | "completion_span_id" | "completion" | "completion_status_code" | "completion_ended_at" | "completion_attributes";
                descending?: boolean;
            };
            /** @default 50 */
            limit: number;
            /** @description As handed out with the page before */
            cursor?: string;
            fields?: (("trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events" | "completion_span_id" | "completion" | "completion_status_code" | "completion_ended_at" | "completion_attributes") | {
                /** @enum {string} */
                name: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events" | "completion_span_id" | "completion" | "completion_status_code" | "completion_ended_at" | "completion_attributes";
                as: string;
            })[];
        };
        "RowsRequest.spans": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            sort?: string | {
                /** @enum {string} */
                column: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events";
                descending?: boolean;
            };
            /** @default 50 */
            limit: number;
            /** @description As handed out with the page before */
            cursor?: string;
            fields?: (("trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events") | {
                /** @enum {string} */
                name: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events";
                as: string;
            })[];
        };
        "RowsRequest.traces": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            sort?: string | {
                /** @enum {string} */
                column: "trace_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "started_at" | "ended_at" | "duration_ms" | "span_count" | "error_count" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output";
                descending?: boolean;
            };
            /** @default 50 */
            limit: number;
            /** @description As handed out with the page before */
            cursor?: string;
            fields?: (("trace_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "started_at" | "ended_at" | "duration_ms" | "span_count" | "error_count" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output") | {
                /** @enum {string} */
                name: "trace_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "started_at" | "ended_at" | "duration_ms" | "span_count" | "error_count" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output";
                as: string;
            })[];
        };
        "ExportRequest.prompts": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @enum {string} */
            format?: "csv" | "jsonl" | "json" | "parquet" | "xlsx";
            /**
             * @default none
             * @enum {string}
             */
            compression: "none" | "gzip" | "zstd";
            /**
             * @default rfc4180
             * @enum {string}
             */
            dialect: "rfc4180" | "excel";
            /** @default , */
            delimiter: string;
            /** @description csv and xlsx: numbers, dates and times as people write them; what is left out is as the locale has it, and exact without one */
            formats?: {
                /**
                 * @description How numbers, dates and times are written, in any case; or its language. Known: cs-CZ, da-DK, de-AT, de-CH, de-DE, el-GR, en-AU, en-CA, en-GB, en-IE, en-IN, en-NZ, en-US, en-ZA, es-AR, es-ES, es-MX, et-EE, fi-FI, fr-BE, fr-CA, fr-CH, fr-FR, he-IL, hr-HR, hu-HU, id-ID, it-CH, it-IT, ja-JP, ko-KR, lt-LT, lv-LV, nb-NO, nl-BE, nl-NL, pl-PL, pt-BR, pt-PT, ro-RO, ru-RU, sk-SK, sl-SI, sv-SE, tr-TR, uk-UA, vi-VN, zh-CN, zh-TW
                 * @example de-DE
                 */
                locale?: string;
                /**
                 * @description The IANA name of the zone moments are shown in
                 * @default UTC
                 * @example Europe/Berlin
                 */
                time_zone: string;
                /** @enum {string} */
                decimal_separator?: "." | ",";
                /** @description Between groups of digits; empty for none */
                group_separator?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y
                 */
                date?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y %H:%M:%S
                 */
                timestamp?: string;
            };
            fields?: (("trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events" | "completion_span_id" | "completion" | "completion_status_code" | "completion_ended_at" | "completion_attributes") | {
                /** @enum {string} */
                name: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events" | "completion_span_id" | "completion" | "completion_status_code" | "completion_ended_at" | "completion_attributes";
                as: string;
            })[];
            /** @description Where the file is delivered to, beside being kept here */
            destination?: {
                /** @description The destination */
                id: string;
                /** @description The key below its prefix, with {dataset}, {date}, {job} and {extension} in it; {job} is needed */
                key?: string;
            };
            /** @description At most so many rows, the first in key order */
            limit?: number;
            /** @description The name of a preset; what stands beside it goes first */
            preset?: string;
            /** @description The human name; one is made if there is none */
            name?: string;
            /** @description Who gets a mail when the file is there, or will never be */
            notify?: {
                email?: boolean | string[];
            };
        } | unknown | unknown;
        "ExportRequest.spans": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                    span_id: string;
                }[];
            };
            /**
             * @description trace: filters and selection choose rows, and every row of their traces is taken
             * @default row
             * @enum {string}
             */
            scope: "row" | "trace";
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: span_id */
            span_id?: string | string[];
            /** @description one of: span_id */
            span_ids?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_id?: string | string[];
            /** @description one of: parent_span_id */
            parent_span_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @enum {string} */
            format?: "csv" | "jsonl" | "json" | "parquet" | "xlsx";
            /**
             * @default none
             * @enum {string}
             */
            compression: "none" | "gzip" | "zstd";
            /**
             * @default rfc4180
             * @enum {string}
             */
            dialect: "rfc4180" | "excel";
            /** @default , */
            delimiter: string;
            /** @description csv and xlsx: numbers, dates and times as people write them; what is left out is as the locale has it, and exact without one */
            formats?: {
                /**
                 * @description How numbers, dates and times are written, in any case; or its language. Known: cs-CZ, da-DK, de-AT, de-CH, de-DE, el-GR, en-AU, en-CA, en-GB, en-IE, en-IN, en-NZ, en-US, en-ZA, es-AR, es-ES, es-MX, et-EE, fi-FI, fr-BE, fr-CA, fr-CH, fr-FR, he-IL, hr-HR, hu-HU, id-ID, it-CH, it-IT, ja-JP, ko-KR, lt-LT, lv-LV, nb-NO, nl-BE, nl-NL, pl-PL, pt-BR, pt-PT, ro-RO, ru-RU, sk-SK, sl-SI, sv-SE, tr-TR, uk-UA, vi-VN, zh-CN, zh-TW
                 * @example de-DE
                 */
                locale?: string;
                /**
                 * @description The IANA name of the zone moments are shown in
                 * @default UTC
                 * @example Europe/Berlin
                 */
                time_zone: string;
                /** @enum {string} */
                decimal_separator?: "." | ",";
                /** @description Between groups of digits; empty for none */
                group_separator?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y
                 */
                date?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y %H:%M:%S
                 */
                timestamp?: string;
            };
            fields?: (("trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events") | {
                /** @enum {string} */
                name: "trace_id" | "span_id" | "parent_span_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "status_message" | "started_at" | "ended_at" | "duration_ms" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output" | "attributes" | "resource" | "events";
                as: string;
            })[];
            /** @description Where the file is delivered to, beside being kept here */
            destination?: {
                /** @description The destination */
                id: string;
                /** @description The key below its prefix, with {dataset}, {date}, {job} and {extension} in it; {job} is needed */
                key?: string;
            };
            /** @description At most so many rows, the first in key order */
            limit?: number;
            /** @description The name of a preset; what stands beside it goes first */
            preset?: string;
            /** @description The human name; one is made if there is none */
            name?: string;
            /** @description Who gets a mail when the file is there, or will never be */
            notify?: {
                email?: boolean | string[];
            };
        } | unknown | unknown;
        "ExportRequest.traces": {
            /**
             * Format: date-time
             * @description started_at from this moment on
             */
            start_time?: string;
            /**
             * Format: date-time
             * @description started_at before this moment
             */
            end_time?: string;
            /**
             * @default {
             *       "mode": "all"
             *     }
             */
            selection: {
                /** @constant */
                mode: "all";
            } | {
                /** @constant */
                mode: "all_except";
                ids: {
                    trace_id: string;
                }[];
            } | {
                /** @constant */
                mode: "partial";
                ids: {
                    trace_id: string;
                }[];
            };
            /** @description As handed out by count, page and preview */
            as_of?: string;
            /** @description Only rows that came after this earlier as_of */
            newer_than?: string;
            /** @description one of: trace_id */
            trace_id?: string | string[];
            /** @description one of: trace_id */
            trace_ids?: string | string[];
            /** @description one of: project_id */
            project_id?: string | string[];
            /** @description one of: project_id */
            project_ids?: string | string[];
            /** @description one of: document_uuid */
            document_uuid?: string | string[];
            /** @description one of: document_uuid */
            document_uuids?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuid?: string | string[];
            /** @description one of: commit_uuid */
            commit_uuids?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuid?: string | string[];
            /** @description one of: experiment_uuid */
            experiment_uuids?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_id?: string | string[];
            /** @description one of: test_deployment_id */
            test_deployment_ids?: string | string[];
            /** @description one of: type */
            type?: string | string[];
            /** @description one of: type */
            types?: string | string[];
            /** @description one of: name */
            span_name?: string | string[];
            /** @description one of: name */
            span_names?: string | string[];
            /** @description one of: service */
            service?: string | string[];
            /** @description one of: service */
            services?: string | string[];
            /** @description one of: provider */
            provider?: string | string[];
            /** @description one of: provider */
            providers?: string | string[];
            /** @description one of: model */
            model?: string | string[];
            /** @description one of: model */
            models?: string | string[];
            /** @description one of: environment */
            environment?: string | string[];
            /** @description one of: environment */
            environments?: string | string[];
            /** @description one of: user_id */
            user_id?: string | string[];
            /** @description one of: user_id */
            user_ids?: string | string[];
            /** @description one of: session_id */
            session_id?: string | string[];
            /** @description one of: session_id */
            session_ids?: string | string[];
            /** @description one of: status_code */
            status_code?: string | string[];
            /** @description one of: status_code */
            status_codes?: string | string[];
            /** @description from, up to and not including, of: started_at */
            created_at?: {
                /** Format: date-time */
                from?: string;
                /** Format: date-time */
                to?: string;
            };
            /** @description at least: cost_usd */
            min_cost?: string | number;
            /** @description at most: cost_usd */
            max_cost?: string | number;
            /** @description at least: duration_ms */
            min_duration_ms?: number;
            /** @description at most: duration_ms */
            max_duration_ms?: number;
            /**
             * Format: int64
             * @description at least: total_tokens
             */
            min_tokens?: number;
            /**
             * Format: int64
             * @description at most: total_tokens
             */
            max_tokens?: number;
            /** @description contained in: input or output or name */
            text?: string;
            /** @enum {string} */
            format?: "csv" | "jsonl" | "json" | "parquet" | "xlsx";
            /**
             * @default none
             * @enum {string}
             */
            compression: "none" | "gzip" | "zstd";
            /**
             * @default rfc4180
             * @enum {string}
             */
            dialect: "rfc4180" | "excel";
            /** @default , */
            delimiter: string;
            /** @description csv and xlsx: numbers, dates and times as people write them; what is left out is as the locale has it, and exact without one */
            formats?: {
                /**
                 * @description How numbers, dates and times are written, in any case; or its language. Known: cs-CZ, da-DK, de-AT, de-CH, de-DE, el-GR, en-AU, en-CA, en-GB, en-IE, en-IN, en-NZ, en-US, en-ZA, es-AR, es-ES, es-MX, et-EE, fi-FI, fr-BE, fr-CA, fr-CH, fr-FR, he-IL, hr-HR, hu-HU, id-ID, it-CH, it-IT, ja-JP, ko-KR, lt-LT, lv-LV, nb-NO, nl-BE, nl-NL, pl-PL, pt-BR, pt-PT, ro-RO, ru-RU, sk-SK, sl-SI, sv-SE, tr-TR, uk-UA, vi-VN, zh-CN, zh-TW
                 * @example de-DE
                 */
                locale?: string;
                /**
                 * @description The IANA name of the zone moments are shown in
                 * @default UTC
                 * @example Europe/Berlin
                 */
                time_zone: string;
                /** @enum {string} */
                decimal_separator?: "." | ",";
                /** @description Between groups of digits; empty for none */
                group_separator?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y
                 */
                date?: string;
                /**
                 * @description A pattern in the notation of strftime
                 * @example %d.%m.%Y %H:%M:%S
                 */
                timestamp?: string;
            };
            fields?: (("trace_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "started_at" | "ended_at" | "duration_ms" | "span_count" | "error_count" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output") | {
                /** @enum {string} */
                name: "trace_id" | "org_id" | "project_id" | "document_uuid" | "commit_uuid" | "experiment_uuid" | "test_deployment_id" | "type" | "name" | "service" | "provider" | "model" | "environment" | "user_id" | "session_id" | "status_code" | "started_at" | "ended_at" | "duration_ms" | "span_count" | "error_count" | "prompt_tokens" | "completion_tokens" | "total_tokens" | "cost_usd" | "input" | "output";
                as: string;
            })[];
            /** @description Where the file is delivered to, beside being kept here */
            destination?: {
                /** @description The destination */
                id: string;
                /** @description The key below its prefix, with {dataset}, {date}, {job} and {extension} in it; {job} is needed */
                key?: string;
            };
            /** @description At most so many rows, the first in key order */
            limit?: number;
            /** @description The name of a preset; what stands beside it goes first */
            preset?: string;
            /** @description The human name; one is made if there is none */
            name?: string;
            /** @description Who gets a mail when the file is there, or will never be */
            notify?: {
                email?: boolean | string[];
            };
        } | unknown | unknown;
    };
    responses: {
        /** @description What went wrong */
        Problem: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description What went wrong, in the request's encoding */
        OtlpStatus: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                "application/json": {
                    code?: number;
                    message?: string;
                };
                "application/x-protobuf": unknown;
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    list_alerts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All, oldest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_alert: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description `metric` or `budget`. */
                    kind: string;
                    /** @description 1 to 200 characters. */
                    name: string;
                    /** @description True unless said otherwise. */
                    enabled?: boolean | null;
                    /**
                     * @description Of a metric: `latency_avg`, `latency_p50`, `latency_p95`, `latency_p99` (milliseconds), `error_rate` (0 to 1), `tokens`,
                     *     `cost` (dollars), `traces_per_minute`.
                     */
                    metric?: string | null;
                    /**
                     * Format: int64
                     * @description Of a metric: 60 to 86400.
                     */
                    window_seconds?: number | null;
                    /** @description Of a metric: `above` or `below`. */
                    direction?: string | null;
                    /**
                     * Format: double
                     * @description Of a metric: beyond this it fires,
                     */
                    threshold?: number | null;
                    /**
                     * Format: double
                     * @description and at this or on the good side of it, it is over. The threshold unless said otherwise.
                     */
                    clear_threshold?: number | null;
                    /**
                     * Format: int64
                     * @description Of a metric: for how long it does not fire again, 0 to 86400; 300.
                     */
                    cool_down_seconds?: number | null;
                    /**
                     * Format: int64
                     * @description Of a metric: with fewer traces in the window nothing is judged; 0.
                     */
                    min_traces?: number | null;
                    /** @description Of a metric: a value or a list of values for `provider`, `model`, `environment`, `user_id`, `service`, `project_id`. */
                    filters?: Record<string, never> | null;
                    /** @description Of a budget: what was spent with this provider; null: with all. */
                    provider?: string | null;
                    /**
                     * @description Of a budget: a decimal above 0.
                     * @example 125.50
                     */
                    amount_usd?: string | null;
                    /** @description Of a budget: `day`, `week` (from Monday) or `month`. */
                    period?: string | null;
                    /** @description Of a budget: where days begin, by its IANA name; `UTC`. */
                    time_zone?: string | null;
                    /** @description Of a budget: at which percentages it is told; 50, 80, 100. */
                    percentages?: number[] | null;
                };
            };
        };
        responses: {
            /** @description Made */
            201: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    /** @description The rule */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_alert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The rule's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The rule */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_alert: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The rule's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    change_alert: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The rule's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description `metric` or `budget`. */
                    kind: string;
                    /** @description 1 to 200 characters. */
                    name: string;
                    /** @description True unless said otherwise. */
                    enabled?: boolean | null;
                    /**
                     * @description Of a metric: `latency_avg`, `latency_p50`, `latency_p95`, `latency_p99` (milliseconds), `error_rate` (0 to 1), `tokens`,
                     *     `cost` (dollars), `traces_per_minute`.
                     */
                    metric?: string | null;
                    /**
                     * Format: int64
                     * @description Of a metric: 60 to 86400.
                     */
                    window_seconds?: number | null;
                    /** @description Of a metric: `above` or `below`. */
                    direction?: string | null;
                    /**
                     * Format: double
                     * @description Of a metric: beyond this it fires,
                     */
                    threshold?: number | null;
                    /**
                     * Format: double
                     * @description and at this or on the good side of it, it is over. The threshold unless said otherwise.
                     */
                    clear_threshold?: number | null;
                    /**
                     * Format: int64
                     * @description Of a metric: for how long it does not fire again, 0 to 86400; 300.
                     */
                    cool_down_seconds?: number | null;
                    /**
                     * Format: int64
                     * @description Of a metric: with fewer traces in the window nothing is judged; 0.
                     */
                    min_traces?: number | null;
                    /** @description Of a metric: a value or a list of values for `provider`, `model`, `environment`, `user_id`, `service`, `project_id`. */
                    filters?: Record<string, never> | null;
                    /** @description Of a budget: what was spent with this provider; null: with all. */
                    provider?: string | null;
                    /**
                     * @description Of a budget: a decimal above 0.
                     * @example 125.50
                     */
                    amount_usd?: string | null;
                    /** @description Of a budget: `day`, `week` (from Monday) or `month`. */
                    period?: string | null;
                    /** @description Of a budget: where days begin, by its IANA name; `UTC`. */
                    time_zone?: string | null;
                    /** @description Of a budget: at which percentages it is told; 50, 80, 100. */
                    percentages?: number[] | null;
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AlertResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_api_keys: {
        parameters: {
            query?: {
                /** @description 1 to 200; 50 */
                limit?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters. */
                    name: string;
                    /** @description Permissions, none of which the caller lacks. */
                    permissions: string[];
                    /** @description When it ends; not together with `ttl`. Without either it holds until it is revoked. */
                    expires_at?: string | null;
                    /**
                     * Format: int64
                     * @description For how many seconds it holds.
                     */
                    ttl?: number | null;
                };
            };
        };
        responses: {
            /** @description Made */
            201: {
                headers: {
                    /** @description The key, without the key */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The key's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The key, without the key */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ApiKeyResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    revoke_api_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The key's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is revoked, and stays so */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    list_audit: {
        parameters: {
            query?: {
                /** @description Only of this actor */
                actor?: string;
                /** @description Only these actions; repeated or separated by commas */
                action?: string;
                /** @description Only on the object of this id: a job, the name of a preset, … */
                object?: string;
                /** @description Only from this moment on (RFC 3339) */
                from?: string;
                /** @description Only before this moment (RFC 3339) */
                to?: string;
                /** @description 1 to 500; 50 */
                limit?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_datasets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All of them */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_dataset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The dataset */
                dataset: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The dataset */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DatasetResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_rows_prompts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CountRequest.prompts"];
            };
        };
        responses: {
            /** @description The count */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CountResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_rows_spans: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CountRequest.spans"];
            };
        };
        responses: {
            /** @description The count */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CountResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_rows_traces: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CountRequest.traces"];
            };
        };
        responses: {
            /** @description The count */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CountResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_facets_prompts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FacetsRequest.prompts"];
            };
        };
        responses: {
            /** @description The facets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FacetsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_facets_spans: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FacetsRequest.spans"];
            };
        };
        responses: {
            /** @description The facets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FacetsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    count_facets_traces: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FacetsRequest.traces"];
            };
        };
        responses: {
            /** @description The facets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FacetsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    read_rows_prompts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RowsRequest.prompts"];
            };
        };
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RowsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    read_rows_spans: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RowsRequest.spans"];
            };
        };
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RowsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    read_rows_traces: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RowsRequest.traces"];
            };
        };
        responses: {
            /** @description A page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RowsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_destinations: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All, by name */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_destination: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters, unique in the organization. */
                    name: string;
                    /** @description `s3`, and nothing else yet. */
                    kind?: string | null;
                    /** @description An https URL; left out: Amazon's own for the region. */
                    endpoint?: string | null;
                    region: string;
                    bucket: string;
                    /** @description What every key begins with. */
                    prefix?: string | null;
                    access_key: string;
                    secret_key: string;
                    /**
                     * @description Whether the bucket is named in the path rather than in the host's name. True where there is an endpoint, unless
                     *     said.
                     */
                    path_style?: boolean | null;
                };
            };
        };
        responses: {
            /** @description Probed and kept */
            201: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    /** @description The destination */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The destination */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The destination */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The destination */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    change_destination: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The destination */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters, unique in the organization. */
                    name?: string | null;
                    /** @description An https URL; null: Amazon's own for the region. */
                    endpoint?: string | null;
                    region?: string | null;
                    bucket?: string | null;
                    /** @description What every key begins with. */
                    prefix?: string | null;
                    access_key?: string | null;
                    /** @description Needed wherever the bucket or the access key is another one. */
                    secret_key?: string | null;
                    path_style?: boolean | null;
                };
            };
        };
        responses: {
            /** @description Probed and changed */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    probe_destination: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The destination */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It takes what it must */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DestinationResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_jobs: {
        parameters: {
            query?: {
                /** @description Only these states; repeated or separated by commas */
                status?: string;
                /** @description Only this dataset */
                dataset?: string;
                /** @description Only the caller's own */
                mine?: boolean;
                /** @description Only those asked for with this request id */
                request_id?: string;
                /** @description 1 to 100; 20 */
                limit?: number;
                /** @description Leave out so many; not with cursor */
                offset?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    recent_performance: {
        parameters: {
            query?: {
                /** @description 1 to 500; 100 */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Newest first, with percentiles */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PerfResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_job: {
        parameters: {
            query?: {
                /** @description Wait so many seconds at most, 0 to 60 */
                wait?: number;
            };
            header?: {
                /** @description The ETag known already */
                "If-None-Match"?: string | null;
            };
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The job */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            /** @description It is as it was */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    cancel_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is cancelled, and stays so */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    deliver_again: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is owed again */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    download: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description To the file */
            302: {
                headers: {
                    /** @description A fresh link */
                    Location?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    job_events: {
        parameters: {
            query?: never;
            header?: {
                /** @description The id of the last message that arrived */
                "Last-Event-ID"?: string | null;
            };
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Messages `export_job_status` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": components["schemas"]["JobEventMessage"];
                };
            };
            /** @description All of it was told: there is no need to come back */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_file: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The file can no longer be fetched */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    get_receipt: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The receipt */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    retry_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It waits for a worker again */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_one_time_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * Format: int64
                     * @description How long it holds, in seconds: at most what `token.one_time_ttl` says, which it is by default.
                     */
                    expires_in?: number | null;
                } | null;
            };
        };
        responses: {
            /** @description A fresh token */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["OneTimeTokenResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_one_time_tokens: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Those that are kept */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TokenListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    revoke_one_time_token: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The job */
                id: string;
                /** @description The id of the token */
                token: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Nobody spends it any more */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    redeem_one_time_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    token: string;
                };
            };
        };
        responses: {
            /** @description The link */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RedeemResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    statistics: {
        parameters: {
            query?: {
                /** @description 1 to 366; 30 */
                days?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Totals */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatisticsResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_export_prompts: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key and body: the same job */
                "Idempotency-Key"?: string | null;
                /** @description wait=N: wait for the file up to N seconds, at most 60 */
                Prefer?: string | null;
                /** @description Kept on the job and in every log line */
                "X-Request-Id"?: string | null;
                /** @description W3C trace context, kept on the job */
                traceparent?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.prompts"];
            };
        };
        responses: {
            /** @description Waited for, and over */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    /** @description The job */
                    Location?: string;
                    /** @description What is left of each limit */
                    RateLimit?: string;
                    /** @description The limits */
                    "RateLimit-Policy"?: string;
                    /** @description Seconds */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_export_spans: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key and body: the same job */
                "Idempotency-Key"?: string | null;
                /** @description wait=N: wait for the file up to N seconds, at most 60 */
                Prefer?: string | null;
                /** @description Kept on the job and in every log line */
                "X-Request-Id"?: string | null;
                /** @description W3C trace context, kept on the job */
                traceparent?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.spans"];
            };
        };
        responses: {
            /** @description Waited for, and over */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    /** @description The job */
                    Location?: string;
                    /** @description What is left of each limit */
                    RateLimit?: string;
                    /** @description The limits */
                    "RateLimit-Policy"?: string;
                    /** @description Seconds */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_export_traces: {
        parameters: {
            query?: never;
            header?: {
                /** @description The same key and body: the same job */
                "Idempotency-Key"?: string | null;
                /** @description wait=N: wait for the file up to N seconds, at most 60 */
                Prefer?: string | null;
                /** @description Kept on the job and in every log line */
                "X-Request-Id"?: string | null;
                /** @description W3C trace context, kept on the job */
                traceparent?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.traces"];
            };
        };
        responses: {
            /** @description Waited for, and over */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["JobResponse"];
                };
            };
            /** @description Accepted */
            202: {
                headers: {
                    /** @description The job */
                    Location?: string;
                    /** @description What is left of each limit */
                    RateLimit?: string;
                    /** @description The limits */
                    "RateLimit-Policy"?: string;
                    /** @description Seconds */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ExportResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    preview_export_prompts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.prompts"];
            };
        };
        responses: {
            /** @description Rows, count, estimates */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    preview_export_spans: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.spans"];
            };
        };
        responses: {
            /** @description Rows, count, estimates */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    preview_export_traces: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ExportRequest.traces"];
            };
        };
        responses: {
            /** @description Rows, count, estimates */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PreviewResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_notifications: {
        parameters: {
            query?: {
                /** @description Only email, or only webhook */
                channel?: string;
                /** @description Only pending, delivered or failed */
                state?: string;
                /** @description Only to this e-mail address, or webhook endpoint */
                address?: string;
                /** @description 1 to 200; 50 */
                limit?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotificationListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_notification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notification */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The notification */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotificationDetailResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    replay_notification: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The notification */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is owed again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NotificationResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_presets: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All, by name */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PresetListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_preset: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters; no slash. Unique in the organization. */
                    name: string;
                    dataset: string;
                    /** @description Columns, in order, as in an export. */
                    fields?: components["schemas"]["Value"][] | null;
                    format?: string | null;
                    compression?: string | null;
                    dialect?: string | null;
                    delimiter?: string | null;
                    /** @description How numbers, dates and times are written, as in an export. */
                    formats?: Record<string, never> | null;
                    /** @description The dataset's filters, by name. */
                    filters?: Record<string, never> | null;
                };
            };
        };
        responses: {
            /** @description Saved */
            201: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    /** @description The preset */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PresetResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_preset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The preset */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The preset */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PresetResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_preset: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The preset */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    change_preset: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The preset */
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters; no slash. Unique in the organization. */
                    name: string;
                    dataset: string;
                    /** @description Columns, in order, as in an export. */
                    fields?: components["schemas"]["Value"][] | null;
                    format?: string | null;
                    compression?: string | null;
                    dialect?: string | null;
                    delimiter?: string | null;
                    /** @description How numbers, dates and times are written, as in an export. */
                    formats?: Record<string, never> | null;
                    /** @description The dataset's filters, by name. */
                    filters?: Record<string, never> | null;
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PresetResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_principals: {
        parameters: {
            query?: {
                /** @description 1 to 200; 50 */
                limit?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, by sub */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrincipalListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_principal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description As in its token */
                sub: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The principal */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrincipalResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    change_principal: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description As in its token */
                sub: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Whether it may do nothing at all. Its running exports end, and so do its downloads. */
                    disabled?: boolean | null;
                    /** @description Permissions it shall not have, whatever its token says: the whole list. */
                    withheld?: string[] | null;
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PrincipalResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_schedules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description 1 to 100 characters. */
                    name: string;
                    dataset: string;
                    /** @description As the body of an export: filters, fields, format and so on, without a window. */
                    request: Record<string, never>;
                    /** @description Five fields: minute, hour, day of the month, month, day of the week. */
                    cron: string;
                    /** @description UTC unless said. */
                    time_zone?: string | null;
                    /** @description `incremental` (unless said) or `full`. */
                    window?: string | null;
                    /**
                     * Format: int32
                     * @description Where windows are cut by a time column: how long after its moment a row may be committed. 900 unless said.
                     */
                    horizon_seconds?: number | null;
                    /** @description `beginning` (unless said): the first window has all rows there are. `now`: it has what comes from now on. */
                    start?: string | null;
                };
            };
        };
        responses: {
            /** @description Made */
            201: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    /** @description The schedule */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    preview_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Five fields: minute, hour, day of the month, month, day of the week. */
                    cron: string;
                    /** @description UTC unless said. */
                    time_zone?: string | null;
                };
            };
        };
        responses: {
            /** @description The next runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TimetableResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The schedule */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forgotten */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    change_schedule: {
        parameters: {
            query?: never;
            header?: {
                /** @description Only if it still has this ETag; else 412 */
                "If-Match"?: string | null;
            };
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    name?: string | null;
                    request?: Record<string, never> | null;
                    cron?: string | null;
                    time_zone?: string | null;
                    /** Format: int32 */
                    horizon_seconds?: number | null;
                };
            };
        };
        responses: {
            /** @description Changed */
            200: {
                headers: {
                    /** @description Its version */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    backfill_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** Format: date-time */
                    from: string;
                    /** Format: date-time */
                    to: string;
                };
            };
        };
        responses: {
            /** @description Asked for */
            202: {
                headers: {
                    /** @description The job */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleRunResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    pause_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Paused */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    resume_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Resumed */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    run_schedule: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Asked for */
            202: {
                headers: {
                    /** @description The job */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleRunResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_schedule_runs: {
        parameters: {
            query?: {
                /** @description 1 to 200; 50 */
                limit?: number;
            };
            header?: never;
            path: {
                /** @description The schedule */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleRunListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who one is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description What stands behind the `#` of a sign-in link. */
                    ticket: string;
                };
            };
        };
        responses: {
            /** @description Signed in */
            201: {
                headers: {
                    /** @description The session */
                    "Set-Cookie"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The session is over */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    list_webhooks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    create_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description An https URL, without user, password and fragment, with port 443, 80 or one from 1024 on. */
                    url: string;
                    /** @description Types of events; the caller must be allowed to be told of each in the whole organization. */
                    events: string[];
                    /** @description At most 500 characters. */
                    description?: string | null;
                    /** @description Whether it is told at all; true. */
                    enabled?: boolean | null;
                    /** @description How messages are signed: `hmac` (unless said otherwise) or `ed25519`. */
                    signing?: string | null;
                };
            };
        };
        responses: {
            /** @description Made, with the secret */
            201: {
                headers: {
                    /** @description The endpoint */
                    Location?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The endpoint, without its secret */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    delete_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    change_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description Another URL gets another key, which the answer shows. */
                    url?: string | null;
                    /** @description Types of events: the whole list. */
                    events?: string[] | null;
                    /** @description At most 500 characters. */
                    description?: string | null;
                    /** @description True begins anew with an endpoint that was disabled. */
                    enabled?: boolean | null;
                };
            };
        };
        responses: {
            /** @description Changed, with the secret if it is another one */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    list_webhook_deliveries: {
        parameters: {
            query?: {
                /** @description Only those: pending, delivered or failed */
                state?: string;
                /** @description 1 to 200; 50 */
                limit?: number;
                /** @description As handed out with the page before */
                cursor?: string;
            };
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page, newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryListResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    get_webhook_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
                /** @description The message's id */
                delivery: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The message with its log */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    replay_webhook_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
                /** @description The message's id */
                delivery: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is owed again */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    rotate_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description `hmac` or `ed25519`; as before unless said. */
                    signing?: string | null;
                    /**
                     * Format: int64
                     * @description For how many seconds the key of before signs along: 0 to 604800; 86400.
                     */
                    overlap?: number | null;
                } | null;
            };
        };
        responses: {
            /** @description Rotated, with the new secret */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WebhookResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    test_webhook: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The endpoint's id */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is owed; its delivery tells what comes of it */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    open_live_socket: {
        parameters: {
            query?: {
                /** @description A ticket of POST /api/v1/ws/ticket, in place of a header */
                ticket?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The connection is a WebSocket now */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    create_live_ticket: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A fresh ticket */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TicketResponse"];
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    asset: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Its name */
                file: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    embed: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description Its name */
                file: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A script */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    get_file: {
        parameters: {
            query: {
                /** @description As in the link */
                for: string;
                /** @description As in the link */
                expires: number;
                /** @description As in the link */
                signature: string;
            };
            header?: {
                /** @description One range of bytes */
                Range?: string | null;
                /** @description The ETag the range is meant for */
                "If-Range"?: string | null;
                /** @description The ETag the file must have, else 412 */
                "If-Match"?: string | null;
                /** @description The ETag of what is there already, else 304 */
                "If-None-Match"?: string | null;
            };
            path: {
                /** @description As in the link */
                artifact: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The whole file */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description A part of it */
            206: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": number[];
                };
            };
            /** @description It is as it was */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            default: components["responses"]["Problem"];
        };
    };
    livez: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It lives */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenMetrics */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/openmetrics-text": string;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    readyz: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Ready */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description Not ready; `checks` says what is missing */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            default: components["responses"]["Problem"];
        };
    };
    ingest_traces: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description An OTLP ExportTraceServiceRequest; Content-Encoding gzip, deflate or zstd is understood */
        requestBody: {
            content: {
                "application/json": Record<string, never>;
                "application/x-protobuf": number[];
            };
        };
        responses: {
            /** @description Stored; partial_success names what was refused */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-protobuf": number[];
                    "application/json": Record<string, never>;
                };
            };
            default: components["responses"]["OtlpStatus"];
        };
    };
}
