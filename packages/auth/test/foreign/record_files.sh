#!/bin/sh
# Prints test/golden/kerberos-mit-files.json: a key table and credential caches of MIT krb5, from a realm that lives for a second.
# Needs what run.sh needs. The keys in it protect nothing.
set -e
w=$(mktemp -d); export PATH=$PATH:/usr/sbin
cat > $w/krb5.conf <<E
[libdefaults]
 default_realm = CARMINE.TEST
 dns_lookup_kdc = false
[realms]
 CARMINE.TEST = { 
  kdc = 127.0.0.1:18888
 }
E
cat > $w/kdc.conf <<E
[kdcdefaults]
 kdc_listen = 127.0.0.1:18888
 kdc_tcp_listen = 127.0.0.1:18888
[realms]
 CARMINE.TEST = {
  database_name = $w/p
  key_stash_file = $w/stash
  supported_enctypes = aes256-cts-hmac-sha384-192:normal aes256-cts-hmac-sha1-96:normal
 }
E
export KRB5_CONFIG=$w/krb5.conf KRB5_KDC_PROFILE=$w/kdc.conf
kdb5_util create -s -P m >/dev/null 2>&1
kadmin.local -q 'addprinc -pw Pässw0rd admin' >/dev/null
kadmin.local -q 'addprinc -randkey HTTP/files.example' >/dev/null
kadmin.local -q "ktadd -k $w/kt HTTP/files.example" >/dev/null
krb5kdc -n >/dev/null 2>&1 & pid=$!
sleep 1
echo 'Pässw0rd' | kinit -c $w/cc admin >/dev/null
sed -i 's/dns_lookup_kdc/ccache_type = 3\n &/' $w/krb5.conf
echo 'Pässw0rd' | kinit -c $w/cc3 admin >/dev/null
kill $pid
python3 - $w <<E
import sys, json
w=sys.argv[1]
h=lambda n: open(f'{w}/{n}','rb').read().hex()
print(json.dumps({"source":"ktadd and kinit of MIT krb5 1.20.1 in a throw-away realm","keytab":h('kt'),"ccache":h('cc'),"ccache3":h('cc3')}, indent=2))
E
rm -rf $w
