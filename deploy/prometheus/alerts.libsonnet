// Alerts. Each has a runbook of its name, added below.
{
  local config = self._config,
  local canary = config.canary,
  local budget = 1 - canary.objective,
  local burn(window, factor) = 'app:http_requests_error:ratio_rate%s > %.5f' % [window, factor * budget],
  local both(short, long, factor) = '(%s and %s)' % [burn(short, factor), burn(long, factor)],

  local alert(name, severity, expr, wait, summary, description, dashboard='candora-pipeline') = {
    alert: name,
    expr: expr,
    [if wait != '0m' then 'for']: wait,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: description,
      runbook_url: '%s/runbooks/%s' % [config.servingURL, name],
      dashboard_url: '%s/%s' % [config.dashboardURL, dashboard],
    },
  },

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'candora-delivery-alerts',
        rules: [
          alert(
            'CandoraChangeFailureRateHigh',
            'warning',
            |||
              delivery_change_failure_ratio{window="30d", %(production)s} > %(changeFailureRateTarget)g
              and
              delivery_deployments_judged{window="30d", %(production)s} >= %(leastDeployments)d
            ||| % config,
            '1h',
            '{{ $labels.service }} breaks more than it may.',
            '{{ $value | humanizePercentage }} of the deployments of {{ $labels.service }} to {{ $labels.env }} in the last 30 days failed.',
            'candora-service',
          ),
          alert(
            'CandoraDeploymentFailing',
            'info',
            'delivery_deployments_failing{%(production)s} > 0' % config,
            '0m',
            'A deployment of {{ $labels.service }} has failed.',
            '{{ $value }} deployments of {{ $labels.service }} to {{ $labels.env }} have failed and will be counted so when they are judged.',
            'candora-service',
          ),
          alert(
            'CandoraRollbackNotRehearsed',
            'info',
            |||
              time() - max by (service) (delivery_rollback_rehearsed_timestamp_seconds{%(rehearsed)s}) > %(rehearseSeconds)d
              and on (service)
              sum by (service) (delivery_deployments_judged{window="30d", %(production)s}) > 0
            ||| % config,
            '1h',
            'Nobody has rehearsed a rollback of {{ $labels.service }} for long.',
            'The last rehearsed rollback of {{ $labels.service }} is {{ $value | humanizeDuration }} old, and it is deployed.',
            'candora-gates',
          ),
          alert(
            'CandoraRollbackNeverRehearsed',
            'info',
            |||
              sum by (service) (delivery_deployments_judged{window="30d", %(production)s}) > 0
              unless on (service)
              delivery_rollback_rehearsed_timestamp_seconds{%(rehearsed)s}
            ||| % config,
            '1h',
            'Nobody has ever rehearsed a rollback of {{ $labels.service }}.',
            '{{ $labels.service }} was deployed {{ $value }} times in the last 30 days, and no rehearsed rollback of it is known.',
            'candora-gates',
          ),
          alert(
            'CandoraIncidentsUnattributed',
            'warning',
            |||
              delivery_window_incidents_unattributed{window="30d"} / (delivery_window_incidents{window="30d"} >= %(leastIncidents)d)
              > %(unattributedShare)g
            ||| % config,
            '1h',
            'Most incidents of {{ $labels.service }} are put on no deployment.',
            '{{ $value | humanizePercentage }} of the incidents of {{ $labels.service }} in {{ $labels.env }} have no deployment to blame: the change failure rate may be too low.',
            'candora-overview',
          ),
          alert(
            'CandoraDeploymentsWithoutCommits',
            'warning',
            'sum by (service, env) (increase(delivery_deployments_without_commits_total[1d])) > 0.5',
            '0m',
            'Deployments of {{ $labels.service }} carry no known commit.',
            'Promotions of {{ $labels.service }} to {{ $labels.env }} gave no lead time within the last day: no commit_created of theirs is known.',
            'candora-pipeline',
          ),
        ],
      },
      {
        name: 'candora-canary-alerts',
        rules: [
          alert(
            'CandoraCanaryErrorRatioHigh',
            'critical',
            |||
              (sum(rate(%(errors)s[5m]))
              /
              sum(rate(%(requests)s[5m]))) > %(errorRatio)g
            ||| % canary,
            '0m',
            '%s answers with errors.' % canary.app,
            '{{ $value | humanizePercentage }} of the requests of the last five minutes failed.',
            'candora-canary',
          ),
          alert(
            'CandoraErrorBudgetBurnsFast',
            'critical',
            both('5m', '1h', 14.4) + ' or ' + both('30m', '6h', 6),
            '2m',
            '{{ $labels.app }} burns its error budget within days.',
            '{{ $value | humanizePercentage }} of the requests of {{ $labels.app }} fail; its objective is %g.' % canary.objective,
            'candora-canary',
          ),
          alert(
            'CandoraErrorBudgetBurnsSlowly',
            'warning',
            both('2h', '1d', 3) + ' or ' + both('6h', '3d', 1),
            '15m',
            '{{ $labels.app }} burns its error budget before the month is over.',
            '{{ $value | humanizePercentage }} of the requests of {{ $labels.app }} fail; its objective is %g.' % canary.objective,
            'candora-canary',
          ),
        ],
      },
      {
        name: 'candora-pipeline-alerts',
        rules: [
          alert(
            'CandoraMetricsAbsent',
            'critical',
            'absent(up{job="%(job)s"} == 1)' % config,
            '10m',
            'Nobody serves the delivery metrics.',
            'The serving process is down, or still reading what was published before its start (it answers 503 until it is complete).',
          ),
          alert(
            'CandoraServedTwice',
            'critical',
            'count(count by (job, instance) (delivery_serving_ready)) > 1',
            '5m',
            'More than one process serves the delivery metrics.',
            '{{ $value }} instances are scraped: Prometheus counts every deployment once for each.',
          ),
          alert(
            'CandoraServingStale',
            'warning',
            'delivery_serving_ready == 0',
            '10m',
            'The delivery metrics may be old.',
            'The serving process answers, but Kafka does not answer it.',
          ),
          alert(
            'CandoraWorkersSilent',
            'critical',
            'time() - delivery_log_last_append_timestamp_seconds > %(logSilentSeconds)d' % config,
            '5m',
            'No worker runs.',
            'Nothing was written to deploy_events for {{ $value | humanizeDuration }}, not even a clock tick.',
          ),
          alert(
            'CandoraWorkersBehind',
            'warning',
            'delivery_worker_lag_messages > %(lagMessages)d' % config,
            '15m',
            'The workers do not keep up.',
            '{{ $value }} messages of deploy_events wait.',
          ),
          alert(
            'CandoraDeadLetters',
            'warning',
            'increase(delivery_dead_letters_total[1h]) > 0.5',
            '0m',
            'Events were refused.',
            'About {{ $value | humanize }} messages of the last hour stand in deploy_events_dead, each with its reason.',
          ),
          alert(
            'CandoraBadRecords',
            'warning',
            'sum by (topic, reason) (increase(delivery_serving_bad_records_total[1h])) > 0.5',
            '0m',
            'Published records were refused.',
            'The serving process refused records of {{ $labels.topic }}: {{ $labels.reason }}.',
          ),
          alert(
            'CandoraServiceSilent',
            'info',
            |||
              time() - delivery_last_event_timestamp_seconds > %(serviceSilentSeconds)d
              < %(serviceGoneSeconds)d
            ||| % config,
            '1h',
            '{{ $labels.service }} reports nothing.',
            'The last event of {{ $labels.service }} is {{ $value | humanizeDuration }} old: nobody ships it, or its CI does not report.',
          ),
          alert(
            'CandoraClockSkew',
            'warning',
            'sum by (service, env) (increase(delivery_clock_skew_total[1d])) > 0.5',
            '0m',
            'The clocks of {{ $labels.service }} disagree.',
            'Spans of {{ $labels.service }} in {{ $labels.env }} came out negative within the last day and were not observed.',
          ),
          alert(
            'CandoraSamplesDropped',
            'warning',
            'increase(prometheus_target_scrapes_sample_out_of_bounds_total[1h]) > 0.5',
            '0m',
            'Prometheus refuses samples as too old.',
            'Times to restore may be missing: check out_of_order_time_window.',
          ),
        ],
      },
    ],
  },
}
