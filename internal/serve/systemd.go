package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// monitorSocket is the FileDescriptorName of the socket for monitoring.
const monitorSocket = "monitor"

// Sockets returns the listeners that systemd has opened for this process. One that is named monitor is
// for monitoring. Each is nil if there is none.
func Sockets() (clients, monitor net.Listener, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, nil, fmt.Errorf("take the sockets of systemd: %w", err)
	}
	for name, all := range named {
		for _, l := range all {
			into := &clients
			if name == monitorSocket {
				into = &monitor
			}
			if *into != nil || l == nil {
				return nil, nil, errors.New("systemd must open one socket for clients and at most one named monitor")
			}
			*into = l
		}
	}
	return clients, monitor, nil
}

// Supervise tells systemd that the server is ready, and from then on what it does. At each SIGHUP it
// calls [Server.Reload]. It returns at once, and ends with ctx. Without systemd it only reloads.
func (s *Server) Supervise(ctx context.Context) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	watchdog := make(<-chan time.Time)
	if every, err := daemon.SdWatchdogEnabled(false); err == nil && every > 0 {
		ticker := time.NewTicker(every / 2)
		context.AfterFunc(ctx, ticker.Stop)
		watchdog = ticker.C
	}
	s.tell(daemon.SdNotifyReady)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				s.tell(daemon.SdNotifyStopping)
				return
			case <-watchdog:
				s.tell(daemon.SdNotifyWatchdog)
			case <-hangup:
				s.reloadForSystemd()
			}
		}
	}()
}

func (s *Server) reloadForSystemd() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // never fails
	s.tell(fmt.Sprintf("%s\nMONOTONIC_USEC=%d", daemon.SdNotifyReloading, now.Nano()/1000))
	if err := s.Reload(); err != nil {
		s.Logger.Error("something stays as it was", "error", err)
	} else {
		s.Logger.Info("certificate, configuration and secret are read anew")
	}
	s.tell(daemon.SdNotifyReady)
}

// tell sends a state to systemd, if it runs this process.
func (s *Server) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.Logger.Warn("systemd is not told", "error", err)
	}
}
