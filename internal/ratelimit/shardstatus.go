package ratelimit

import "time"

// whole makes the statuses of part i, which are of one share, show the limit and the quota of all.
// Remaining stays the share's, which is never more than there is in all.
func (j *Joint) whole(i int, share, all *Terms) {
	if i < len(j.Statuses) {
		j.Statuses[i].whole(all)
	}
	if j.By == i {
		j.Status.whole(all)
	}
}

// whole makes s show the limit and the quota of t.
func (s *Status) whole(t *Terms) {
	byLimit := s.bound() == s.Rate
	if s.Rate.Limit > 0 {
		s.Rate.Limit = t.Limit.Requests
	}
	switch {
	case byLimit:
		s.show(s.Rate)
	case s.Limit > 0:
		s.Limit = t.Quota.Requests
	}
}

// StatusOfShards returns the window status that the meters of a part show together, without spending.
// Meters are those of all its shards that exist. It is [StatusOf] for a part with one meter.
func StatusOfShards(meters []Meter, p Part, now time.Time) (sum Status) {
	_, by := p.Shards.at(now)
	share := p.Terms.share(by)
	for n, m := range meters {
		s := StatusOf(m, share, now)
		if n == 0 {
			sum = s
			continue
		}
		sum.add(&s)
	}
	if p.Shards.Several() {
		sum.settle(&p.Terms, now)
	}
	return sum
}

// add adds what another meter of the same part shows.
func (s *Status) add(other *Status) {
	s.Used += other.Used
	s.left += other.left
	if other.Rate.Reset.After(s.Rate.Reset) {
		s.Rate.Reset = other.Rate.Reset
	}
	s.quota.Requests += other.quota.Requests
	s.today = max(s.today, other.today)
}

// settle makes s, which is a sum of shares, the status of t.
func (s *Status) settle(t *Terms, now time.Time) {
	used := s.quota.Requests - s.left
	if s.Rate.Limit > 0 {
		s.Rate.Limit, s.Rate.Remaining = t.Limit.Requests, max(t.Limit.Requests-s.Used, 0)
		s.show(s.Rate)
	}
	if t.Quota == (Quota{}) {
		return
	}
	s.quota, s.left = t.Quota, t.Quota.Requests-used
	if quota := s.quotaBound(); s.Rate.Limit == 0 || quota.tighter(s.Rate) {
		s.show(quota)
	}
}
