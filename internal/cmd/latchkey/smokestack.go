package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
)

// smokeStack returns the URL of a deployed stack. It sets the flags that were not given from the
// parameters of the stack.
func smokeStack(c *cobra.Command, in account, stack string) (url string, err error) {
	loaded, err := in.load(c.Context())
	if err != nil {
		return "", err
	}
	deployed, err := describeStack(c.Context(), loaded, stack)
	if err != nil {
		return "", err
	}
	values := deployed.values
	if values["ApiUrl"] == "" {
		return "", fmt.Errorf("stack %s has no ApiUrl: is it latchkey's, and is it complete?", stack)
	}
	for flag, value := range map[string]string{
		"freshness": values["Freshness"], "query-api-key": values["QueryApiKey"], "protect-validate": values["ProtectValidate"],
		"deny-status": values["DenyStatus"], "console": values["ConsoleEnabled"],
		"backend": strconv.FormatBool(values["BackendUrl"] != ""),
	} {
		if value == "0" {
			value = "0s" // a duration
		}
		if value == "" || c.Flags().Changed(flag) {
			continue
		}
		if err := c.Flags().Set(flag, value); err != nil {
			return "", fmt.Errorf("the stack's parameter for --%s: %w", flag, err)
		}
	}
	return values["ApiUrl"], nil
}
