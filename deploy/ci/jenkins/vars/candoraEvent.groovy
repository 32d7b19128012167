import groovy.transform.Field

// The same inputs as of the GitHub action and the GitLab component; candoraEvent.txt says what each is.
@Field
static final List<String> INPUTS = [
    'event', 'service', 'env', 'sha', 'change', 'deployment', 'incident', 'artifact-digest', 'lane', 'trigger', 'reason',
    'severity', 'title', 'since', 'since-tag', 'fetch-history', 'junit', 'coverage', 'coverage-threshold', 'trivy', 'sbom',
    'conftest', 'provenance', 'analysis-run', 'bootstrap-servers', 'sidecar', 'topic-prefix', 'schema-registry', 'timeout',
    'spool', 'strict', 'allow-failure', 'dry-run', 'explain', 'args', 'version', 'requirements'
]

/**
 * Reports an event, and returns [status, event-id, partition, offset], all of them text.
 * What goes wrong makes the stage unstable, and the build goes on; with `strict: true` it fails the build.
 */
Map<String, String> call(Map cfg = [:]) {
    List<String> unknown = cfg.keySet().collect { it.toString() } - INPUTS
    if (unknown) {
        error("candoraEvent: there is no input ${unknown.join(', ')}; there are ${INPUTS.join(', ')}")
    }
    String results = "${pwd(tmp: true)}/candora-${UUID.randomUUID()}.env"
    List<String> variables = ["CANDORA_RESULTS=${results}".toString()]
    for (String name in INPUTS) {
        if (cfg[name] != null) {
            // Jenkins would fill in $NAME, with secrets too; $$ is a dollar.
            String value = (cfg[name] instanceof List ? cfg[name].join('\n') : cfg[name].toString()).replace('$', '$$')
            variables << "CANDORA_INPUT_${name.toUpperCase().replace('-', '_')}=${value}".toString()
        }
    }
    // The command bounds itself; this is for a machine that does not answer. An installation takes longer.
    int seconds = cfg['version'] || cfg['requirements'] ? 300 : 60
    if (cfg['strict'].toString() == 'true') {
        emit(variables, seconds)
    } else {
        catchError(buildResult: 'SUCCESS', stageResult: 'UNSTABLE', message: 'candora: the event is not reported') {
            emit(variables, seconds)
        }
    }
    return outcome(results)
}

/** Everything that callers say goes by the environment; the script is always the same. */
private void emit(List<String> variables, int seconds) {
    timeout(time: seconds, unit: 'SECONDS') {
        withEnv(variables) {
            sh(label: 'candora', script: libraryResource('candora/emit.sh'))
        }
    }
}

private Map<String, String> outcome(String results) {
    Map<String, String> found = ['status': 'not_sent', 'event-id': '', 'partition': '', 'offset': '']
    if (fileExists(results)) {
        for (String line in readFile(file: results, encoding: 'UTF-8').split('\n')) {
            List<String> parts = line.split('=', 2) as List<String>
            if (parts.size() == 2) {
                found[parts[0].replace('CANDORA_', '').toLowerCase().replace('_', '-')] = parts[1]
            }
        }
    }
    return found
}
