package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"latchkey/internal/config"
	"latchkey/internal/local/sam"
)

// question is one question about a deployment.
type question struct {
	parameter string // of the template; empty for the region
	asks      string
}

// questions are asked before the first deployment of a stack. All other parameters keep the
// template's defaults.
func questions() []question {
	return []question{
		{"", "AWS region of the stack."},
		{"Architecture", "Processor of the functions: arm64 (cheaper) or x86_64."},
		{"AlarmTopicArn", "ARN of an SNS topic that is told of alarms. If empty, alarms tell nobody."},
		{"BackendUrl", "URL of your own API, if latchkey should stand before it."},
		{"OidcIssuer", "URL of an OpenID Connect issuer, if its users may manage keys."},
	}
}

// afterIssuer is asked only if there is an issuer.
func afterIssuer() question {
	return question{"OidcAudience", "Audience (aud) of the tokens of this issuer."}
}

func configureCommand() *cobra.Command {
	var stack, region, show string
	var quiet bool
	c := &cobra.Command{
		Use:   "configure [NAME=VALUE...]",
		Short: "Choose the parameters of a deployment, and store them for SAM",
		Long: `Asks a few questions before the first deployment of a stack, and stores the
answers in .deploy/STACK.yaml for the SAM CLI. Enter takes the answer in
brackets. NAME=VALUE sets another parameter of the template, and NAME= restores
its default. Parameters that are not stored keep the defaults of the template,
in later versions too. Each value is checked before anything is created.
If it asks, it also sets Fence=trust, unless the stack takes up a table.

make deploy runs this. It asks nothing if there are answers already.`,
		Example: `  latchkey configure --stack latchkey --region eu-west-1 --no-input
  latchkey configure --no-input --region eu-west-1 RouteScopes='POST /tts/*=tts'`,
		RunE: func(c *cobra.Command, args []string) error {
			file := answersFile(stack)
			a, err := file.read()
			if err != nil {
				return err
			}
			if show != "" {
				return a.print(c, show)
			}
			asks := !a.stored && !quiet
			if region != "" {
				a.Region = region
			}
			err = a.set(args)
			if err == nil {
				err = a.check()
			}
			if err != nil {
				return usageError{err}
			}
			if asks {
				if err := a.ask(c); err != nil {
					return err
				}
				a.begin()
			}
			if err := a.checkWhole(); err != nil {
				return usageError{err}
			}
			return file.write(a)
		},
	}
	textFlag(c.Flags(), &stack, "stack", "latchkey", "`NAME` of the CloudFormation stack", checkStackName)
	textFlag(c.Flags(), &region, "region", "", "AWS `REGION` of the stack", checkRegion)
	c.Flags().StringVar(&show, "print", "", "print the value of a parameter, and store nothing")
	c.Flags().BoolVar(&quiet, "no-input", false, "ask nothing: take the defaults")
	return c
}

// ask asks the questions on the terminal.
func (a *answers) ask(c *cobra.Command) error {
	if !isTerminal(c.InOrStdin()) {
		return usageError{errors.New("the questions need a terminal: say --no-input, or make deploy CI=1")}
	}
	if a.Region == "" {
		a.Region = defaultRegion(c.Context())
	}
	lines := bufio.NewReader(c.InOrStdin())
	for _, q := range questions() {
		if err := a.askOne(c, lines, q); err != nil {
			return err
		}
		if q.parameter == "OidcIssuer" && a.Parameters[q.parameter] != "" {
			if err := a.askOne(c, lines, afterIssuer()); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin sets what only a new table may have: no version without fences has ever changed its keys.
func (a *answers) begin() {
	if a.value("Fence") == a.known["Fence"].Default && a.value("ExistingTableName") == "" {
		a.take("Fence", "trust")
	}
}

// askOne asks a question until its answer is allowed. An empty answer keeps the value in brackets.
func (a *answers) askOne(c *cobra.Command, lines *bufio.Reader, q question) error {
	name, value := "Region", a.Region
	if q.parameter != "" {
		name, value = q.parameter, a.value(q.parameter)
	}
	fmt.Fprintf(c.ErrOrStderr(), "\n%s\n", q.asks)
	for {
		fmt.Fprintf(c.ErrOrStderr(), "%s [%s]: ", name, value)
		text, err := typed(c.Context(), func() (string, error) { return lines.ReadString('\n') })
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if text = strings.TrimSpace(text); text == "" {
			text = value
		}
		if q.parameter == "" {
			err = checkRegion(text)
		} else {
			err = a.try(q.parameter, text)
		}
		if err == nil && q == afterIssuer() && text == "" {
			err = errors.New("must not be empty, because a token for another application would be accepted")
		}
		if err == nil {
			a.take(q.parameter, text)
			return nil
		}
		fmt.Fprintf(c.ErrOrStderr(), "%s %v\n", name, err)
	}
}

// try reports why a parameter cannot have a value. It reports nothing about other parameters, which
// later answers may change.
func (a *answers) try(parameter, value string) error {
	if err := a.known[parameter].Check(value); err != nil {
		return err
	}
	all := maps.Clone(a.Parameters)
	all[parameter] = value
	if parameter == "OidcIssuer" && value != "" {
		all[afterIssuer().parameter] = "asked-next"
	}
	if err := checkFunctions(all); err != nil {
		if reason, ok := strings.CutPrefix(err.Error(), parameter+" "); ok {
			return errors.New(reason)
		}
	}
	return nil
}

// defaultRegion returns the region of the SDK's variables and files.
func defaultRegion(ctx context.Context) string {
	if c, err := awsconfig.LoadDefaultConfig(ctx); err == nil && c.Region != "" {
		return c.Region
	}
	return "us-east-1"
}

// set sets parameters from arguments of the form NAME=VALUE.
func (a *answers) set(args []string) error {
	for _, arg := range args {
		name, value, found := strings.Cut(arg, "=")
		if !found {
			return errors.New("an argument must be NAME=VALUE, such as BackendUrl=https://api.example.com")
		}
		if _, known := a.known[name]; !known {
			return fmt.Errorf("the template has no parameter %q; the manual lists them under Configuration", oneLine(name))
		}
		if value == "" {
			value = a.known[name].Default
		}
		a.take(name, value)
	}
	return nil
}

// check reports the first value that CloudFormation would refuse.
func (a *answers) check() error {
	for _, name := range slices.Sorted(maps.Keys(a.Parameters)) {
		p, known := a.known[name]
		if !known {
			return fmt.Errorf("the template has no parameter %q, which %s sets: remove it there", name, a.path)
		}
		if err := p.Check(a.Parameters[name]); err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	return nil
}

// checkWhole reports missing answers, and variables that Lambda would refuse.
func (a *answers) checkWhole() error {
	if a.Region == "" {
		return errors.New("--region is needed, such as --region eu-west-1")
	}
	if err := sam.CheckRules(a.Parameters); err != nil {
		return err
	}
	return checkFunctions(a.Parameters)
}

// checkFunctions reports a variable with which a function would not start, by its parameter's name,
// and variables that Lambda would refuse.
func checkFunctions(parameters map[string]string) error {
	all, err := sam.Environments(parameters)
	if err != nil {
		return err
	}
	for _, function := range slices.Sorted(maps.Keys(all)) {
		environment := all[function]
		if _, err := config.Load(environment.Values); err != nil {
			text := strings.TrimPrefix(err.Error(), "configuration: ")
			return errors.New(variableName().ReplaceAllStringFunc(text, func(name string) string {
				if parameter := environment.Parameters[name]; parameter != "" {
					return parameter + " (" + name + ")"
				}
				return name
			}))
		}
		if size := environment.Size(); size > sam.MaxEnvironment {
			return fmt.Errorf("the variables of %s have %d bytes, and Lambda takes %d: "+
				"shorten RouteScopes, RouteCosts or PublicPaths",
				function, size, sam.MaxEnvironment)
		}
	}
	return nil
}

// variableName matches names such as KEY_PREFIX.
func variableName() *regexp.Regexp { return regexp.MustCompile(`[A-Z]+(_[A-Z]+)*`) }
