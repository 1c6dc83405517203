package apikey

// Found returns the tokens that [Registry.RevokeFound] finds in a text.
func Found(f Format, text string) (tokens []Token, err error) {
	found, err := f.found(text)
	for _, c := range found {
		tokens = append(tokens, c.token)
	}
	return tokens, err
}
