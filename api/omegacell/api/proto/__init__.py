"""The API's messages and services, version 1: `api_v1.proto` and the code generated from it (`make proto`)."""
