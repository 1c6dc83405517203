//go:build !linux

package engine

import "syscall"

// childAttributes gives the engine a process group, so that Ctrl-C reaches us alone and we end it in order. When we are
// killed the engine stays, and its lock tells the next stack so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
