package engine

import "syscall"

// childAttributes gives the engine a process group of its own. Ctrl-C then reaches only this process,
// which ends the engine in order. If this process is killed, the kernel sends SIGTERM to the engine.
// It must not be SIGKILL, because DynamoDB Local acknowledges writes before they are in its files.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
