//go:build !linux

package engine

import "syscall"

// childAttributes gives the engine a process group of its own. Ctrl-C then reaches only this process,
// which ends the engine in order. If this process is killed, the engine keeps running, and its lock
// stops the next stack from using the same files.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
