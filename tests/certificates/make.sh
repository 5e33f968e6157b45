#!/usr/bin/env bash
# Makes the certificates that tests of HTTPS use, for a hundred years. Their keys are public: nothing else trusts them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

days=36500
new_key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }

# authority NAME
authority() {
  new_key "$1"
  openssl req -x509 -new -key "$1.key" -days "$days" -subj "/CN=$1 of the tests" -out "$1.pem" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
}

# server NAME AUTHORITY NAMES DAYS
server() {
  new_key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -set_serial "0x$(openssl rand -hex 8)" -out "$1.pem" \
    -days "$4" -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$3")
  rm "$1.csr"
}

authority authority
authority stranger
server server authority "DNS:localhost,DNS:api.test,IP:127.0.0.1" "$days"
server other-name authority "DNS:other.test" "$days"
server unknown stranger "DNS:localhost,IP:127.0.0.1" "$days"
rm stranger.* authority.key
