// Package service connects to the emulator that the environment names.
package service

import (
	"fmt"
	"os"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"
)

// Client returns a client for the instance in OTS_ENDPOINT and its fellows.
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

// API returns the calls below the worker, which have no interface.
func API() *tunnel.TunnelApi {
	return tunnel.NewTunnelApi(os.Getenv("OTS_ENDPOINT"), os.Getenv("OTS_INSTANCE"),
		os.Getenv("OTS_ACCESS_KEY_ID"), os.Getenv("OTS_ACCESS_KEY_SECRET"), nil)
}

// Code returns the error code of the service, "" without an error.
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
