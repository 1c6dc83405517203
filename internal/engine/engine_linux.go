package engine

import "syscall"

// childAttributes gives the engine a process group, so that Ctrl-C reaches us alone and we end it in order, and has the
// kernel kill it when we are killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
