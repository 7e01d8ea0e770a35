// OpenSSL and what exports its interface: libssl, node and other programs with it inside.
#ifndef SONDE_AGENT_DISCOVERY_OPENSSL_FAMILY_H_
#define SONDE_AGENT_DISCOVERY_OPENSSL_FAMILY_H_

#include "agent/discovery/tls_family.h"

namespace sonde::discovery {

/// Functions of OpenSSL 1.0.2 to 3.x, watched by bpf/openssl.bpf.c. What a version lacks is left
/// out.
const TlsFamily& OpensslFamily();

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_OPENSSL_FAMILY_H_
