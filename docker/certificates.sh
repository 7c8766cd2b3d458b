#!/usr/bin/env bash
# Makes keys and certificates for secure-broker.yml, as PEM files in docker/tls; needs OpenSSL. For tests only: keys are
# not encrypted, and anyone who may read this folder can sign certificates with its authority.
#
#   docker/certificates.sh
#
# ca.pem          the authority's certificate: what clients trust
# client.pem      a certificate for clients, and client-key.pem its key: for the listener that demands one
# broker-key.pem  what the broker shows: its key, then its certificate, in one file as Kafka wants it
set -euo pipefail
umask 022
folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/tls"
mkdir -p "$folder"
cd "$folder"

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

# sign NAME KEY EXTENSIONS > CERTIFICATE
sign() {
    openssl req -new -key "$2" -subj "/CN=$1" |
        openssl x509 -req -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 365 -extfile <(printf '%s\n' "$3") 2>/dev/null
}

new_key ca-key.pem
openssl req -x509 -key ca-key.pem -subj "/CN=test authority" -days 365 -out ca.pem \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign"

new_key key.pem
sign broker key.pem $'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth' >certificate.pem
cat key.pem certificate.pem >broker-key.pem
rm key.pem certificate.pem

new_key client-key.pem
sign client client-key.pem $'extendedKeyUsage=clientAuth' >client.pem

# Read by the container's user, which is not the one who runs this.
chmod 644 ./*.pem
echo "keys and certificates are in $folder"
