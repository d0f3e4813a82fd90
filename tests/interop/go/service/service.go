// Package service connects to the emulator named by the environment.
package service

import (
	"fmt"
	"os"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"
)

// Client returns a client for the instance named by OTS_ENDPOINT and OTS_INSTANCE.
func Client() (tunnel.TunnelClient, error) {
	return ClientWithSecret(os.Getenv("OTS_ACCESS_KEY_SECRET"))
}

// ClientWithSecret returns a client that signs with another secret.
func ClientWithSecret(secret string) (tunnel.TunnelClient, error) {
	for _, name := range []string{"OTS_ENDPOINT", "OTS_INSTANCE", "OTS_ACCESS_KEY_ID", "OTS_ACCESS_KEY_SECRET"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set", name)
		}
	}
	return tunnel.NewTunnelClient(
		os.Getenv("OTS_ENDPOINT"), os.Getenv("OTS_INSTANCE"), os.Getenv("OTS_ACCESS_KEY_ID"), secret), nil
}

// API returns the low-level calls of the worker, which are not part of TunnelClient.
func API() *tunnel.TunnelApi {
	return tunnel.NewTunnelApi(os.Getenv("OTS_ENDPOINT"), os.Getenv("OTS_INSTANCE"),
		os.Getenv("OTS_ACCESS_KEY_ID"), os.Getenv("OTS_ACCESS_KEY_SECRET"), nil)
}

// Code returns the error code of the service, or "" without an error.
func Code(err error) string {
	switch err := err.(type) {
	case nil:
		return ""
	case *tunnel.TunnelError:
		return err.Code
	default:
		return err.Error()
	}
}
