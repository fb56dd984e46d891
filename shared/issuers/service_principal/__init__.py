"""The kind service_principal: an application and service principal of the lease's own."""
