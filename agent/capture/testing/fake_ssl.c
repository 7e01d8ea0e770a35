#include "agent/capture/testing/fake_ssl.h"

#include <string.h>

void* fake_ssl_object;
int fake_ssl_result;
int fake_ssl_error;
int fake_ssl_touch = 1;
void (*fake_ssl_inside_write)(void);

/* Looks at every byte, as a real library does: what was never looked at may not be in memory. */
static int touch(const char* bytes, int size) {
  volatile char sum = 0;
  int i = 0;
  for (i = 0; i < size; i++) sum ^= bytes[i];
  return sum;
}

void* SSL_new(void* context) {
  (void)context;
  return fake_ssl_object;
}
void SSL_free(void* ssl) { (void)ssl; }
int SSL_up_ref(void* ssl) { return ssl != NULL; }
void* SSL_dup(void* ssl) { return fake_ssl_object != NULL ? fake_ssl_object : ssl; }
int SSL_clear(void* ssl) { return ssl != NULL; }
int SSL_set_fd(void* ssl, int fd) { return ssl != NULL && fd >= 0; }
long SSL_ctrl(void* ssl, int command, long argument, void* pointer) {
  (void)argument;
  if (fake_ssl_touch && pointer != NULL) touch(pointer, (int)strlen(pointer));
  return ssl != NULL && command != 0 && pointer != NULL;
}
int SSL_connect(void* ssl) { return ssl != NULL; }
int SSL_accept(void* ssl) { return ssl != NULL; }
int SSL_do_handshake(void* ssl) { return ssl != NULL; }
int SSL_shutdown(void* ssl) { return ssl != NULL; }

int SSL_read(void* ssl, void* buffer, int size) {
  (void)ssl;
  if (fake_ssl_touch) touch(buffer, size);
  return fake_ssl_result < size ? fake_ssl_result : size;
}

int SSL_write(void* ssl, const void* buffer, int size) {
  (void)ssl;
  if (fake_ssl_touch) touch(buffer, size);
  if (fake_ssl_inside_write != NULL) fake_ssl_inside_write();
  return fake_ssl_result < size ? fake_ssl_result : size;
}

int fake_ssl_write_bare(void* ssl, const void* buffer, int size) {
  (void)ssl;
  if (fake_ssl_touch) touch(buffer, size);
  if (fake_ssl_inside_write != NULL) fake_ssl_inside_write();
  return fake_ssl_result < size ? fake_ssl_result : size;
}

int fake_ssl_write_empty(void* ssl, const void* buffer, int size) {
  (void)ssl;
  if (fake_ssl_touch) touch(buffer, size);
  if (fake_ssl_inside_write != NULL) fake_ssl_inside_write();
  return fake_ssl_result < size ? fake_ssl_result : size;
}

int SSL_read_ex(void* ssl, void* buffer, size_t size, size_t* length) {
  int moved = SSL_read(ssl, buffer, (int)size);
  *length = moved > 0 ? (size_t)moved : 0;
  return moved > 0;
}

int SSL_write_ex(void* ssl, const void* buffer, size_t size, size_t* length) {
  int moved = SSL_write(ssl, buffer, (int)size);
  *length = moved > 0 ? (size_t)moved : 0;
  return moved > 0;
}

int SSL_peek(void* ssl, void* buffer, int size) { return SSL_read(ssl, buffer, size); }

long SSL_sendfile(void* ssl, int fd, long offset, size_t size, int flags) {
  (void)offset;
  (void)flags;
  return ssl != NULL && fd >= 0 ? (long)size : -1;
}

int SSL_get_error(void* ssl, int result) { return ssl != NULL && result <= 0 ? fake_ssl_error : 0; }
