// Render a template of a ConfigMap as the notifications engine of Argo does: `notifications CONFIGMAP TEMPLATE SERVICE`
// reads the variables as JSON from its input and prints the method on the first line and the body after it.
//
// The engine (argoproj/notifications-engine, pkg/templates and pkg/services/webhook) gives text/template the functions
// of sprig without `env` and `expandenv`; so does this.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

type webhook struct {
	Method string `json:"method"`
	Body   string `json:"body"`
}

type notification struct {
	Webhook map[string]webhook `json:"webhook"`
}

type configMap struct {
	Data map[string]string `json:"data"`
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	file, name, service := os.Args[1], os.Args[2], os.Args[3]
	text, err := os.ReadFile(file)
	must(err)
	var config configMap
	must(yaml.UnmarshalStrict(text, &struct {
		*configMap
		APIVersion string         `json:"apiVersion"`
		Kind       string         `json:"kind"`
		Metadata   map[string]any `json:"metadata"`
	}{configMap: &config}))
	var notified notification
	must(yaml.UnmarshalStrict([]byte(config.Data["template."+name]), &notified))
	hook, ok := notified.Webhook[service]
	if !ok {
		log.Fatalf("no template %s for the service %s", name, service)
	}
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	parsed, err := template.New(name).Funcs(functions).Parse(hook.Body)
	must(err)
	var variables map[string]any
	must(json.NewDecoder(os.Stdin).Decode(&variables))
	fmt.Println(hook.Method)
	must(parsed.Execute(os.Stdout, variables))
}
