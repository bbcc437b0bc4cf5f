import type { AgentRole } from './configuration.ts';

/** What `init` writes: commented, and safe as it stands (loopback only, nothing may be read or written yet). */
export function defaultConfiguration(role: AgentRole, stateDir: string): string {
  const program = role === 'server' ? 'carmine-server' : 'carmine-client';
  const quoted = JSON.stringify(stateDir);
  const common = `# Configuration of ${program}. Unknown keys are errors. Every key can also be given in the environment:
# CARMINE_MANAGEMENT_HTTP for http in [management], and so on; lists are separated by commas.

# Where the agent keeps its accounts, certificates and ${role === 'server' ? 'URL groups' : 'jobs'}.
state_dir = ${quoted}

[management]
# WS-Management. Over http only sealed messages (NTLM, Kerberos) are accepted. Port 0 means a free port.
http = "127.0.0.1:5985"
# https = "0.0.0.0:5986"        # needs [management.tls]; offers Basic too when listed below
# dcom = "0.0.0.0:135"          # WMI over DCOM: where clients find it; other ports than 135 only carmine finds
# dcom_exporter = "0.0.0.0:0"   # where its objects are; 0 is a free port, which firewalls do not know
# dcom_level = "privacy"        # refuse calls that are only signed; "integrity" takes them
# dcom_callbacks = true         # answer asynchronous calls by calling the client back, unprotected
auth = ["kerberos", "ntlm"]    # Kerberos as soon as it has keys, see below; "basic" and "certificate" work over https only
# channel_binding = "relaxed"  # accept NTLM over https from clients that cannot bind to the TLS channel
# anonymous_identify = true     # answer Identify, without a version, to whoever asks (Test-WSMan without credentials)
# max_connections = 300         # to each of the two addresses; two thirds of them from one peer
# push_to = ["collector.example:443"]   # where events may be pushed to, or networks ("192.0.2.0/24"); nowhere by default

# [management.tls]
# cert = "/etc/carmine/management.pem"
# key  = "/etc/carmine/management.key"
# client_ca = "/etc/carmine/managers.pem"   # issuers of client certificates, when "certificate" is listed in auth

# Client certificate -> account: its SHA-1 or SHA-256 thumbprint, or "upn:user@host" or "dns:name" as in its alternative name.
# [management.certificates]
# "dns:admin.example.com" = "admin"

# Group -> what its members may do without being administrators: "reader", "operator" (and steer jobs that exist) or
# "publisher" (and say what is published). Without entries only members of Administrators manage.
# [management.roles]
# Helpdesk = "reader"
`;
  const server = `
[server]
# Where URL groups listen; their ports come from their prefixes.
bind = ["127.0.0.1"]
# Only files below these folders may be published. Empty: none.
roots = []
# true: http URL groups are refused.
require_tls = false
# true: a group with all authentication schemes off serves anybody.
anonymous = false
# false: URL groups are forgotten at a restart, as on Windows.
persist = true
# channel_binding = "relaxed"  # accept NTLM over https from clients that cannot bind to the TLS channel, such as curl
# client_ca = "/etc/carmine/fetchers.pem"   # https clients are asked for a certificate of these authorities; BITS fails when it has none
# min_rate_bytes = 1024        # who reads fewer bytes a second is cut off; 0: nobody is
# grace_seconds = 60           # after so long
# connection_limit = 4096      # connections to all data ports together
# access_log = "/var/log/carmine/access.ndjson"   # a line of JSON for each answer
# drain_seconds = 0            # for so long answers may come to their end when the agent stops

# Client certificate -> account, on https data ports: a thumbprint, "upn:user@host" or "dns:name" of its subject alternative name.
# [server.certificates]
# "dns:host7.example" = "reader"
`;
  const jobs = `# config = "/etc/krb5.conf"       # realms and their KDCs: jobs with a user "alice@REALM" log on with Kerberos
# principal = "host/HOST@REALM"   # with a key in the keytab: whom jobs with implicit credentials log on as
`;
  const client = `
[client]
# Only below these folders may jobs write. Empty: nowhere.
roots = []
# Certificates (PEM) of issuers, or of servers themselves, that are trusted.
trust = []
# checkpoint_bytes = 8388608   # at most so much per open segment is fetched again after a crash
# connections = 4              # for one file, exactly; absent: as many as pay
# background_yields = false    # true: jobs below foreground priority give way to whatever else uses their path
# rate_bytes = 10000000        # bytes per second of all jobs together; 0: none
# rate_timetable = ["1-5 08:00-18:00 1000000", "22:00-06:00 unlimited"]   # other rates, by local time; 0 is Sunday

# Service account of a job -> user of this system. Without an entry NetworkService is the agent's own user.
# [client.accounts]
# NetworkService = "carmine"
`;
  return `${common}${role === 'server' ? server : client}
# Kerberos lets domain accounts log on, on management and data ports, with the keys of HTTP/HOST or WSMAN/HOST: those that
# "${program} account import-keytab FILE" keeps, encrypted, with the accounts, and those of the file that is named here.
# [kerberos]
# keytab = "/etc/krb5.keytab"
${role === 'client' ? jobs : ''}# [kerberos.accounts]             # who of them is which local account; others have the SIDs of their PAC and manage nothing
# "alice@EXAMPLE.COM" = "admin"

# [metrics]
# http = "127.0.0.1:9464"
`;
}
