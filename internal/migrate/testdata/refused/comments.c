// TODO: remove-this-before-release
// FIXME: this-is-not-finished-yet
// NOTE: see-the-other-file-too
