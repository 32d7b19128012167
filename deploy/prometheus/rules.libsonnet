// Recording rules. Names are `level:metric:operations`; a level names the labels that are kept.
{
  local config = self._config,
  local guarded(part, whole) = '%s / (%s > 0)' % [part, whole],

  prometheusRules+:: {
    groups+: [
      {
        // From counters, histograms and samples: the usual expressions, as they are often written and put right.
        name: 'candora-counters',
        interval: '5m',
        rules: [
          {
            record: 'service_env:deployments:increase30d',
            expr: 'sum by (service, env) (increase(deployments_total[30d]))',
          },
          {
            record: 'service_env:deployments_success:increase30d',
            expr: 'sum by (service, env) (increase(deployments_success_total[30d]))',
          },
          {
            record: 'service_env:deployments_failed:ratio_increase30d',
            expr: guarded(
              '(service_env:deployments:increase30d - service_env:deployments_success:increase30d)',
              'service_env:deployments:increase30d'
            ),
          },
          {
            record: 'env:deployments_failed:ratio_increase30d',
            expr: guarded(
              '(sum by (env) (service_env:deployments:increase30d) - sum by (env) (service_env:deployments_success:increase30d))',
              'sum by (env) (service_env:deployments:increase30d)'
            ),
          },
          {
            // Without parentheses this is total - success / total: kept to show how far that is off.
            record: 'production:deployments_failed:as_written30d',
            expr: |||
              sum(increase(deployments_total{%(production)s}[30d]))
              - sum(increase(deployments_success_total{%(production)s}[30d]))
              /
              sum(increase(deployments_total{%(production)s}[30d]))
            ||| % config,
          },
          {
            record: 'service:lead_time_seconds:p50_7d',
            expr: 'histogram_quantile(0.5, sum by (le, service)(rate(lead_time_seconds_bucket[7d])))',
          },
          {
            record: 'env:lead_time_seconds:p50_30d',
            expr: 'histogram_quantile(0.5, sum by (le, env) (increase(lead_time_seconds_bucket[30d])))',
          },
          {
            record: 'service_env_severity:incident_resolution_seconds:avg30d',
            expr: 'avg_over_time(incident_resolution_seconds[30d])',
          },
          {
            // A mean of means would weigh a severity with one incident like one with twenty.
            record: 'service_env:incident_resolution_seconds:avg30d',
            expr: |||
              sum by (service, env) (sum_over_time(incident_resolution_seconds[30d]))
              /
              sum by (service, env) (count_over_time(incident_resolution_seconds[30d]))
            |||,
          },
        ],
      },
      {
        // DORA's keys over all services, from the exact windows. Per service they are metrics already.
        name: 'candora-keys',
        interval: '1m',
        rules: [
          {
            record: 'env_window:delivery_change_failure:ratio',
            expr: guarded(
              'sum by (env, window) (delivery_change_failures)',
              'sum by (env, window) (delivery_deployments_judged)'
            ),
          },
          {
            record: 'env_window:delivery_deployment_frequency:per_day',
            expr: 'sum by (env, window) (delivery_deployment_frequency_per_day)',
          },
          {
            record: 'env_window:delivery_rework:ratio',
            expr: guarded(
              'sum by (env, window) (delivery_deployments_hotfix)',
              'sum by (env, window) (delivery_deployments_judged)'
            ),
          },
          {
            record: 'env_window:delivery_restore_seconds:mean',
            expr: guarded(
              'sum by (env, window) (delivery_restore_mean_seconds * delivery_restore_observations)',
              'sum by (env, window) (delivery_restore_observations)'
            ),
          },
          {
            record: 'env_window:delivery_failed_deployment_recovery_seconds:mean',
            expr: guarded(
              'sum by (env, window) (delivery_failed_deployment_recovery_mean_seconds * delivery_failed_deployment_recovery_observations)',
              'sum by (env, window) (delivery_failed_deployment_recovery_observations)'
            ),
          },
          {
            record: 'env_window:delivery_incidents_unattributed:ratio',
            expr: guarded(
              'sum by (env, window) (delivery_window_incidents_unattributed)',
              'sum by (env, window) (delivery_window_incidents)'
            ),
          },
        ],
      },
      {
        name: 'candora-canary',
        interval: '1m',
        rules: [
          {
            record: 'app:http_requests_error:ratio_rate' + window,
            // No error series yet is no error; no traffic is no answer.
            expr: '(sum(rate(%s[%s])) or vector(0)) / (sum(rate(%s[%s])) > 0)' % [
              config.canary.errors,
              window,
              config.canary.requests,
              window,
            ],
            labels: { app: config.canary.app },
          }
          for window in ['5m', '30m', '1h', '2h', '6h', '1d', '3d']
        ],
      },
    ],
  },
}
