// What an installation may want to change. Vendor the mixin and override: `candora { _config+:: { ... } }`.
{
  _config+:: {
    // The scrape job of `candora serve-metrics`.
    job: 'candora',
    // Where alerts find the runbooks: the serving process shows them itself.
    servingURL: 'http://candora-serving:9464',
    dashboardURL: 'http://grafana:3000/d',

    // Which environments are production.
    production: 'env="prod"',

    // Alerts on the numbers themselves. A rate of fewer deployments than this says nothing.
    changeFailureRateTarget: 0.15,
    leastDeployments: 10,
    unattributedShare: 0.5,
    leastIncidents: 4,
    // How old the last rehearsed rollback of a service may be, and where one counts: in any environment, or 'env="staging"'.
    rehearseSeconds: 30 * 86400,
    rehearsed: 'env!=""',

    // Alerts on the pipeline. Lengths in seconds where PromQL compares them.
    lagMessages: 1000,
    logSilentSeconds: 300,
    serviceSilentSeconds: 7 * 86400,
    serviceGoneSeconds: 30 * 86400,

    // The service behind a canary, its requests and those that failed, and its objective.
    canary: {
      app: 'myapp',
      requests: 'http_requests_total{app="myapp"}',
      errors: 'http_requests_total{app="myapp",status=~"5.."}',
      objective: 0.999,
      errorRatio: 0.02,
    },
  },
}
