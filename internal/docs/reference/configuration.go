package reference

import (
	"fmt"
	"go/ast"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Variable is one variable of the environment, as a field of a struct declares it.
type Variable struct {
	Name, Default string
	Required      bool
	// Comment is the comment of the field, without line breaks.
	Comment string
}

// Variables reads the fields of the struct named in the Go package in folder. A field that has no
// comment shares that of the field before it.
func Variables(folder, named string) ([]Variable, error) {
	files, err := source(folder)
	if err != nil {
		return nil, err
	}
	var all []Variable
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.Name == named {
				if s, ok := spec.Type.(*ast.StructType); ok {
					all = variablesOf(s)
				}
			}
			return true
		})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no struct %s with variables", folder, named)
	}
	return all, nil
}

func variablesOf(s *ast.StructType) []Variable {
	var all []Variable
	fields := map[string]string{} // the variables of fields
	comment := ""
	for _, field := range s.Fields.List {
		if field.Tag == nil {
			continue
		}
		text, err := strconv.Unquote(field.Tag.Value)
		if err != nil {
			continue // the compiler would not accept it
		}
		tag := reflect.StructTag(text)
		name, options, _ := strings.Cut(tag.Get("env"), ",")
		if name == "" || name == "-" {
			continue
		}
		if field.Doc != nil {
			comment = strings.Join(strings.Fields(field.Doc.Text()), " ")
			first, _, _ := strings.Cut(comment, " ")
			if len(field.Names) > 0 && first == field.Names[0].Name {
				comment = "`" + name + "`" + strings.TrimPrefix(comment, first)
			}
		}
		for _, f := range field.Names {
			fields[f.Name] = name
		}
		all = append(all, Variable{name, tag.Get("envDefault"), strings.Contains(options, "required"), comment})
	}
	// A name of two words is a field. One of a single word may be any word.
	twoWords := regexp.MustCompile(`\b[A-Z]+[a-z]+[A-Z][A-Za-z]*\b|\b[A-Z]{2,}[A-Za-z]*\b`)
	for i := range all {
		all[i].Comment = twoWords.ReplaceAllStringFunc(all[i].Comment, func(word string) string {
			if variable := fields[word]; variable != "" {
				return "`" + variable + "`"
			}
			return word
		})
	}
	return all
}

// template holds the parts of a CloudFormation template that the manual shows.
type template struct {
	Metadata struct {
		Interface struct {
			Groups []struct {
				Label struct {
					Default string `yaml:"default"`
				} `yaml:"Label"`
				Parameters []string `yaml:"Parameters"`
			} `yaml:"ParameterGroups"`
		} `yaml:"AWS::CloudFormation::Interface"`
	} `yaml:"Metadata"`
	Parameters map[string]struct {
		Default       any    `yaml:"Default"`
		Description   string `yaml:"Description"`
		AllowedValues []any  `yaml:"AllowedValues"`
		MinValue      *int   `yaml:"MinValue"`
		MaxValue      *int   `yaml:"MaxValue"`
	} `yaml:"Parameters"`
	Globals   yaml.Node `yaml:"Globals"`
	Resources yaml.Node `yaml:"Resources"`
}

// Configuration returns the reference of all variables and parameters. templateText is template.yaml.
// The meaning of a variable that a parameter sets is that of the parameter.
func Configuration(variables []Variable, templateText []byte) (string, error) {
	var t template
	if err := yaml.Unmarshal(templateText, &t); err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	set := map[string]string{}
	references(&t.Globals, set)
	references(&t.Resources, set)
	sets := map[string]string{}
	w := new(writer)
	w.heading(2, "Variables")
	for _, v := range variables {
		w.heading(3, v.Name)
		switch {
		case v.Required:
			w.printf("Required.")
		case v.Default != "":
			w.printf("Default: `%s`.", v.Default)
		default:
			w.printf("No default.")
		}
		name, known := set[v.Name], false
		if _, known = t.Parameters[name]; known {
			sets[name] = v.Name
			w.printf(" Parameter: [%s](#%s).", name, "parameter-"+strings.ToLower(name))
		}
		w.printf("\n\n")
		if known {
			w.paragraph(escaped(t.Parameters[name].Description))
		} else {
			w.paragraph(escaped(v.Comment))
		}
	}
	w.heading(2, "Parameters of the template")
	for _, group := range t.Metadata.Interface.Groups {
		w.heading(3, "Parameters: "+group.Label.Default)
		for _, name := range group.Parameters {
			p, ok := t.Parameters[name]
			if !ok {
				return "", fmt.Errorf("the template has no parameter %s", name)
			}
			w.heading(4, "Parameter "+name)
			if p.Default != nil && fmt.Sprint(p.Default) != "" {
				w.paragraph(fmt.Sprintf("Default: `%v`.", p.Default))
			} else {
				w.paragraph("No default.")
			}
			if len(p.AllowedValues) > 0 {
				var values []string
				for _, v := range p.AllowedValues {
					values = append(values, fmt.Sprintf("`%v`", v))
				}
				w.paragraph("Values: " + strings.Join(values, ", ") + ".")
			}
			if variable, ok := sets[name]; ok {
				w.paragraph(fmt.Sprintf("Sets [%s](#%s).", variable, strings.ToLower(variable)))
			} else {
				w.paragraph(escaped(p.Description))
			}
		}
	}
	return w.String(), nil
}

// references collects which parameter sets which variable, from NAME: !Ref Parameter.
func references(n *yaml.Node, set map[string]string) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if value.Tag == "!Ref" && key.Value == strings.ToUpper(key.Value) {
				set[key.Value] = value.Value
			}
		}
	}
	for _, child := range n.Content {
		references(child, set)
	}
}
