--
-- PostgreSQL database dump
--
CREATE TABLE api_keys (id text, key text);
COPY public.api_keys (id, key) FROM stdin;
alice	R4TdzQYzYORX8v0yz8foPR1YvQM51BYt
\.
