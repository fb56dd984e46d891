#!/usr/bin/env bash
# What Leasehold needs in Microsoft Entra ID: the API application that callers ask tokens for, the broker's permissions in
# Microsoft Graph, and the first administrator. Every command may be repeated. Takes the Azure CLI, signed in.

set -euo pipefail
# Without it, a failure within $(...) goes unnoticed.
shopt -s inherit_errexit

readonly GRAPH_APP_ID='00000003-0000-0000-c000-000000000000'
readonly AZURE_CLI_APP_ID='04b07795-8ddb-461a-bbee-02f9e1bf7b46'

# Ids within the application; what names them is `value`. They stay as they are: assignments refer to them.
readonly ADMIN_ROLE_ID='453271af-3796-40c6-949e-23c9b01c8229'
readonly AUDITOR_ROLE_ID='b2d14744-67f5-4639-9681-785306a2a930'
readonly USER_SCOPE_ID='cd06fe30-32c6-4121-9a38-f424f702aaab'

unique_name='leasehold-api'

usage() {
  cat <<'END'
usage: entra.sh application [--unique-name NAME]
           registers the API application with the app roles Leasehold.Admin and Leasehold.Auditor, and its service principal
       entra.sh permissions --broker OBJECT_ID [--groups]
           gives the broker's identity its permissions in Microsoft Graph; --groups for roles that use azure_groups
       entra.sh assign --principal OBJECT_ID [--role Leasehold.Admin|Leasehold.Auditor] [--unique-name NAME]
           gives somebody (a user, a group or a service principal, by object id) an app role of the broker
END
}

fail() {
  printf 'entra.sh: %s\n' "$*" >&2
  exit 1
}

# graph METHOD PATH [arguments of `az rest`]...
graph() {
  local method=$1 path=$2
  shift 2
  az rest --only-show-errors --output tsv --method "$method" --url "${GRAPH}/v1.0/${path}" "$@"
}

# The directory's replicas are seconds behind one another: what was made just now may be unknown to one, though another has
# just told of it. Prints what the command prints when it succeeds.
eventually() {
  local attempt output
  for attempt in 1 2 3 4 5 6; do
    if output=$("$@" 2>/dev/null); then
      printf '%s' "$output"
      return 0
    fi
    sleep $((attempt * 2))
  done
  # Once more, for its error to be seen.
  "$@"
}

# The value that a query finds, empty when it finds none (`az` may print None).
find_value() {
  local path=$1 query=$2 found
  found=$(eventually graph get "$path" --query "$query")
  [ "$found" = None ] || printf '%s' "$found"
}

upsert() {
  graph patch "$1" --headers 'Content-Type=application/json' 'Prefer=create-if-missing' --body "$2" >/dev/null
}

change() {
  graph patch "$1" --headers 'Content-Type=application/json' --body "$2" >/dev/null
}

app_role() {
  local id=$1 value=$2 description=$3
  printf '{"id":"%s","value":"%s","displayName":"%s","description":"%s","isEnabled":true,"allowedMemberTypes":["User","Application"]}' \
    "$id" "$value" "$value" "$description"
}

# What an application's `api` holds. Tokens of version 2: their audience is the client id, which nobody else can claim.
# The scope is for people, who sign in through a program; the broker takes no token of theirs without it. Only an administrator
# consents to it: if people could, any program that talks one into consenting would get an administrator's token.
api_document() {
  local clients=$1
  printf '{"requestedAccessTokenVersion":2,"oauth2PermissionScopes":[%s],"preAuthorizedApplications":[%s]}' \
    "$(printf '{"id":"%s","value":"access","type":"Admin","isEnabled":true,"adminConsentDisplayName":"%s","adminConsentDescription":"%s"}' \
      "$USER_SCOPE_ID" 'Call Leasehold' 'Calls Leasehold as the person who is signed in.')" \
    "$clients"
}

application() {
  local path="applications(uniqueName='${unique_name}')" app_id object_id principal_id
  upsert "$path" '{"displayName":"Leasehold","signInAudience":"AzureADMyOrg"}'
  app_id=$(find_value "${path}?\$select=appId" appId)
  object_id=$(find_value "${path}?\$select=id" id)
  # The scope first: a client can be authorized in advance only for a scope that exists.
  eventually change "applications/${object_id}" "$(printf \
    '{"identifierUris":["api://%s"],"api":%s,"appRoles":[%s,%s],"optionalClaims":{"accessToken":[{"name":"idtyp"}]}}' \
    "$app_id" "$(api_document '')" \
    "$(app_role "$ADMIN_ROLE_ID" Leasehold.Admin 'Configures and operates Leasehold, and may issue from every role.')" \
    "$(app_role "$AUDITOR_ROLE_ID" Leasehold.Auditor 'Reads the leases, the status and the audit trail of Leasehold.')")"
  eventually change "applications/${object_id}" "$(printf '{"api":%s}' "$(api_document "$(printf \
    '{"appId":"%s","delegatedPermissionIds":["%s"]}' "$AZURE_CLI_APP_ID" "$USER_SCOPE_ID")")")"
  eventually upsert "servicePrincipals(appId='${app_id}')" '{"displayName":"Leasehold"}'
  principal_id=$(find_value "servicePrincipals(appId='${app_id}')?\$select=id" id)
  printf 'audience=%s\napplication_object_id=%s\nservice_principal_object_id=%s\n' "$app_id" "$object_id" "$principal_id"
}

# give PRINCIPAL RESOURCE ROLE_ID LISTING: an app role, unless LISTING shows that it is held already.
give() {
  local principal=$1 resource=$2 role_id=$3 listing=$4 held
  held=$(find_value "$listing" "value[?principalId=='${principal}' && resourceId=='${resource}' && appRoleId=='${role_id}'].id | [0]")
  if [ -n "$held" ]; then
    return 0
  fi
  eventually graph post "servicePrincipals/${resource}/appRoleAssignedTo" --headers 'Content-Type=application/json' \
    --body "$(printf '{"principalId":"%s","resourceId":"%s","appRoleId":"%s"}' "$principal" "$resource" "$role_id")" >/dev/null
}

give_graph_permission() {
  local principal=$1 permission=$2 resource role_id
  resource=$(find_value "servicePrincipals(appId='${GRAPH_APP_ID}')?\$select=id" id)
  role_id=$(find_value "servicePrincipals(appId='${GRAPH_APP_ID}')?\$select=appRoles" "appRoles[?value=='${permission}'].id | [0]")
  [ -n "$role_id" ] || fail "Microsoft Graph offers no application permission ${permission}"
  give "$principal" "$resource" "$role_id" "servicePrincipals/${principal}/appRoleAssignments"
  printf 'granted=%s\n' "$permission"
}

# docs/deploy.md says which calls need which. Application.ReadWrite.All is never granted: it would let the broker add a secret to
# any application of the tenant, and become it.
permissions() {
  local broker=$1 groups=$2
  give_graph_permission "$broker" Application.ReadWrite.OwnedBy
  if [ "$groups" = yes ]; then
    give_graph_permission "$broker" GroupMember.ReadWrite.All
    give_graph_permission "$broker" Application.Read.All
  fi
}

assign() {
  local principal=$1 role=$2 app_id resource role_id
  case $role in
    Leasehold.Admin) role_id=$ADMIN_ROLE_ID ;;
    Leasehold.Auditor) role_id=$AUDITOR_ROLE_ID ;;
    *) fail "no such role: ${role}" ;;
  esac
  app_id=$(find_value "applications(uniqueName='${unique_name}')?\$select=appId" appId)
  resource=$(find_value "servicePrincipals(appId='${app_id}')?\$select=id" id)
  give "$principal" "$resource" "$role_id" "servicePrincipals/${resource}/appRoleAssignedTo?\$top=999"
  printf 'assigned=%s\n' "$role"
}

require_guid() {
  [[ $2 =~ ^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$ ]] || fail "$1 takes an object id, a GUID"
}

main() {
  local command=${1:-} broker='' groups=no principal='' role=Leasehold.Admin
  [ $# -eq 0 ] || shift
  while [ $# -gt 0 ]; do
    case $1 in
      --groups) groups=yes ;;
      --broker | --principal | --role | --unique-name)
        [ $# -ge 2 ] || fail "$1 takes a value"
        case $1 in
          --broker) broker=${2,,} ;;
          --principal) principal=${2,,} ;;
          --role) role=$2 ;;
          --unique-name) unique_name=$2 ;;
        esac
        shift
        ;;
      *) fail "not understood: $1" ;;
    esac
    shift
  done
  [[ $unique_name =~ ^[A-Za-z0-9-]{1,64}$ ]] || fail '--unique-name takes letters, digits and dashes'
  case $command in
    application | permissions | assign) ;;
    '' | help | -h | --help)
      usage
      return 0
      ;;
    *) fail "no such command: ${command} (application, permissions, assign)" ;;
  esac
  GRAPH=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
  GRAPH=${GRAPH%/}
  case $command in
    application) application ;;
    permissions)
      require_guid --broker "$broker"
      permissions "$broker" "$groups"
      ;;
    assign)
      require_guid --principal "$principal"
      assign "$principal" "$role"
      ;;
  esac
}

main "$@"
