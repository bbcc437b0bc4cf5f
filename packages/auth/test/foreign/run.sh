#!/bin/sh
# Kerberos against MIT krb5: a throw-away realm on loopback, everything in a temporary folder. Prints `N passed, N failed`.
# Needs (Debian): krb5-kdc krb5-admin-server krb5-user python3-gssapi curl, and the repository set up (npm run setup).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../../.." && pwd)
for tool in krb5kdc kadmin.local kdb5_util kinit klist kvno curl; do
  PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || { echo "not run: $tool is missing" >&2; exit 77; }
done
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import gssapi' || { echo "not run: python3-gssapi is missing" >&2; exit 77; }
work=$(mktemp -d)
pids=
cleanup() {
  for pid in $pids; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT INT TERM
PATH="$root/node_modules/.bin:$PATH:/usr/sbin"
set -- $("$python" -c '
import socket
sockets = [socket.socket() for _ in range(3)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*[s.getsockname()[1] for s in sockets])')
udp_and_tcp=$1 small=$2 other=$3

cat >"$work/krb5.conf" <<END
[libdefaults]
  default_realm = CARMINE.TEST
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  allow_weak_crypto = true
  default_ccache_name = FILE:$work/default.ccache
[realms]
  CARMINE.TEST = {
    kdc = 127.0.0.1:$udp_and_tcp
  }
  OTHER.TEST = {
    kdc = 127.0.0.1:$other
  }
[domain_realm]
  .example = CARMINE.TEST
  localhost = CARMINE.TEST
  .other.test = OTHER.TEST
END
# A client that knows no domains has to be referred.
sed '/^\[domain_realm\]/,$d' "$work/krb5.conf" >"$work/no-domains.conf"
kdc_conf() { # file, realm, port, more defaults
  cat >"$work/$1.conf" <<END
[kdcdefaults]
  kdc_listen = 127.0.0.1:$3
  kdc_tcp_listen = 127.0.0.1:$3
  $4
[realms]
  $2 = {
    database_name = $work/$2.db
    key_stash_file = $work/$2.stash
    acl_file = $work/none.acl
    max_life = 12h
    supported_enctypes = aes256-cts-hmac-sha384-192:normal aes128-cts-hmac-sha256-128:normal aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
  }
[logging]
  kdc = FILE:$work/$1.log
END
}
kdc_conf main CARMINE.TEST "$udp_and_tcp" ""
kdc_conf small CARMINE.TEST "$small" "kdc_max_dgram_reply_size = 64"
kdc_conf other OTHER.TEST "$other" ""
export KRB5_CONFIG="$work/krb5.conf" KRB5RCACHENAME="file2:$work/replay" KRB5_KDC_PROFILE="$work/main.conf"

admin() { kadmin.local -r CARMINE.TEST -q "$1" >>"$work/admin.log" 2>&1; }
kdb5_util -r CARMINE.TEST create -s -P master >>"$work/admin.log" 2>&1
admin 'addprinc -pw Pässw0rd +requires_preauth admin'
admin 'addprinc -pw Pässw0rd -requires_preauth easy'
for service in HTTP/files.example WSMAN/files.example host/files.example RPCSS/files.example cifs/files.example HTTP/localhost; do
  admin "addprinc -randkey $service"
  admin "ktadd -k $work/service.keytab $service"
done
for type in aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128 aes256-cts-hmac-sha1-96 aes128-cts-hmac-sha1-96; do
  admin "addprinc -randkey -e $type:normal HTTP/$type.example"
  admin "setstr HTTP/$type.example session_enctypes $type"
  admin "ktadd -k $work/service.keytab -e $type:normal HTTP/$type.example"
done
admin "ktadd -norandkey -k $work/admin.keytab admin"
admin 'addprinc -pw between krbtgt/OTHER.TEST@CARMINE.TEST'
KRB5_KDC_PROFILE="$work/other.conf"
kdb5_util -r OTHER.TEST create -s -P master >>"$work/admin.log" 2>&1
other_admin() { kadmin.local -r OTHER.TEST -q "$1" >>"$work/admin.log" 2>&1; }
other_admin 'addprinc -pw between krbtgt/OTHER.TEST@CARMINE.TEST'
other_admin 'addprinc -randkey HTTP/far.other.test'
other_admin "ktadd -k $work/service.keytab HTTP/far.other.test"
KRB5_KDC_PROFILE="$work/main.conf" krb5kdc -n -r CARMINE.TEST & pids="$pids $!"
KRB5_KDC_PROFILE="$work/small.conf" krb5kdc -n -r CARMINE.TEST & pids="$pids $!"
KRB5_KDC_PROFILE="$work/other.conf" krb5kdc -n -r OTHER.TEST & pids="$pids $!"

"$python" - "$udp_and_tcp" "$small" "$other" <<'END'
import socket, sys, time
for port in map(int, sys.argv[1:]):
    for attempt in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    else:
        sys.exit("a KDC does not start")
END
CARMINE_INTEROP_DIR="$work" CARMINE_INTEROP_SMALL_KDC="127.0.0.1:$small" PYTHON="$python" \
  node --conditions=@carmine/source "$here/interop.ts"
