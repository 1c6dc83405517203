package engine

import "syscall"

// childAttributes gives the engine a process group, so that Ctrl-C reaches us alone and we end it in order, and has the
// kernel end it when we are killed: in order, since DynamoDB Local acknowledges writes that are not in its files yet.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
