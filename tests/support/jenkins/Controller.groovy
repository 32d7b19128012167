// What Jenkins does with a step of a shared library, as far as candoraEvent uses it.
// Arguments: the library's folder, the workspace, and the step's inputs as JSON. Prints what happened as JSON.
import groovy.json.JsonOutput
import groovy.json.JsonSlurper

class BuildFailed extends RuntimeException {
    BuildFailed(String message) { super(message) }
}

abstract class Step extends Script {
    static File library
    static File workspace
    static List<String> log = []
    Map<String, String> environment = [:]

    void error(String message) { throw new BuildFailed(message) }

    String pwd(Map args) { workspace.path + (args.tmp ? '@tmp' : '') }

    String libraryResource(String name) { new File(library, "resources/$name").getText('UTF-8') }

    boolean fileExists(String path) { new File(path).exists() }

    String readFile(Map args) { new File(args.file as String).getText(args.encoding as String) }

    void timeout(Map args, Closure body) {
        log << "timeout ${args.time} ${args.unit}".toString()
        body()
    }

    void catchError(Map args, Closure body) {
        try {
            body()
        } catch (BuildFailed ignored) {
            log << "stage ${args.stageResult}, build ${args.buildResult}".toString()
        }
    }

    // As EnvVars.overrideExpandingAll: $NAME and ${NAME} are filled in if there is such a variable, $$ is a dollar.
    void withEnv(List<String> variables, Closure body) {
        Map<String, String> known = System.getenv() + environment
        variables.each { String variable ->
            def (String name, String value) = variable.split('=', 2)
            environment[name] = value.replaceAll(/\$(?:(\w+)|\{([\w.]+)\}|(\$))/) { all, plain, braced, dollar ->
                dollar ?: known[plain ?: braced] ?: all
            }
        }
        body()
    }

    // As the durable task: a script that begins with #! is run by what it names.
    void sh(Map args) {
        File script = File.createTempFile('script', '.sh', workspace.parentFile)
        script.setText(args.script as String, 'UTF-8')
        List<String> interpreter = args.script.startsWith('#!') ? args.script.readLines()[0].drop(2).split(' ') : ['sh', '-xe']
        def builder = new ProcessBuilder(interpreter + script.path).directory(workspace).inheritIO()
        builder.redirectOutput(ProcessBuilder.Redirect.to(new File(workspace.parentFile, 'output')))
        builder.environment().putAll(environment)
        int code = builder.start().waitFor()
        if (code != 0) {
            throw new BuildFailed("script returned exit code $code")
        }
    }
}

Step.library = new File(args[0])
Step.workspace = new File(args[1])
new File("${args[1]}@tmp").mkdirs()
def settings = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: Step.name)
def step = new GroovyShell(this.class.classLoader, new Binding(), settings)
    .parse(new File(Step.library, 'vars/candoraEvent.groovy'))
def said = [:]
try {
    said.returned = step.call(new JsonSlurper().parseText(args[2]) as Map)
} catch (BuildFailed failure) {
    said.failed = failure.message
}
println JsonOutput.toJson(said + [log: Step.log])
