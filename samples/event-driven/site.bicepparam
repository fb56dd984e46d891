using 'site.bicep'

param name = '<web app>'
param vaultName = '<vault>'
